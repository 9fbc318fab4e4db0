// The tablet's own disk (IndexedDB), and nothing about what is kept there.

const NAME = "tallyman", VERSION = 1;

// Steps are only ever added at the end and never touch what is there: an outbox that is made again has lost scans.
const STEPS = [
  (db) => {
    db.createObjectStore("items", { keyPath: "key", autoIncrement: true }); // to send, in the order in which it was done
    db.createObjectStore("kept", { keyPath: "opId" }); // refused after the fact, until somebody has seen it
    db.createObjectStore("facts"); // single values by name
  },
];

let opened = null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const wish = indexedDB.open(NAME, VERSION);
    wish.onupgradeneeded = (event) => { for (const step of STEPS.slice(event.oldVersion)) step(wish.result); };
    wish.onsuccess = () => {
      const db = wish.result;
      // A newer page wants to add a step: give way, and open it again when something is asked for.
      db.onversionchange = () => { db.close(); opened = null; };
      db.onclose = () => { opened = null; };
      resolve(db);
    };
    wish.onerror = () => { opened = null; reject(wish.error); };
  });
  return opened;
}

const asked = (wish) => new Promise((resolve, reject) => {
  wish.onsuccess = () => resolve(wish.result);
  wish.onerror = () => reject(wish.error);
});

// One transaction over all stores: `work(stores, asked)` awaits nothing but `asked`. What it changed is on the disk
// when this resolves, and nothing of it when this rejects.
async function transact(mode, work) {
  const db = await open();
  const transaction = db.transaction(["items", "kept", "facts"], mode, { durability: "strict" });
  const done = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error || new Error("the tablet's disk took nothing"));
  });
  const stores = { items: transaction.objectStore("items"), kept: transaction.objectStore("kept"), facts: transaction.objectStore("facts") };
  let answer;
  try {
    answer = await work(stores, asked);
  } catch (error) {
    try { transaction.abort(); } catch { /* it has ended already */ }
    await done.catch(() => {});
    throw error;
  }
  await done;
  return answer;
}

export const change = (work) => transact("readwrite", work);
export const look = (work) => transact("readonly", work);

export const fact = (name) => look(({ facts }, asked) => asked(facts.get(name)));
export const setFact = (name, value) => change(({ facts }, asked) => asked(value === null ? facts.delete(name) : facts.put(value, name)));
