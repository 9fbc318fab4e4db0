"""Every GS1 application identifier: its fields, what it needs beside it, what it excludes, and its part in a link.

One row an identifier or range; columns are separated by `;`:

    identifiers ; fields ; needs ; excludes ; flags ; name

Fields use GS1's own notation: N digits, X the 82 characters, Y the 39, Z base64url with its padding; `N6` exactly
six, `X..20` one to twenty, brackets for an optional last part; `/name` a check of `content`. `needs` lists
alternatives, each one identifier or several joined by `+`; `31nn` matches any digits. Flags: `*` predefined length,
no separator after it; `-` not allowed as an attribute of a link. Source: GS1 General Specifications, section 3.
"""

from __future__ import annotations

_ITEM = "01 02 03 8006 8026"
_METRE = "01+30 01+31nn 01+32nn 01+35nn 01+36nn"
_PRICE = "30 31nn 32nn 35nn 36nn"
_RECIPIENT = "8017 8018"

ROWS = f"""
00 ; N18/sum/prefix2 ; ; ; * ; SSCC
01 ; N14/sum/prefix2 ; ; 255 37 ; * ; GTIN
02 ; N14/sum/prefix2 ; 37 ; 01 03 ; * ; GTIN of contained items
03 ; N14/sum/prefix2 ; ; 01 02 37 235 ; *- ; GTIN made to order
10 ; X..20 ; {_ITEM} ; ; ; lot
11 ; N6/day0 ; {_ITEM} ; ; * ; production date
12 ; N6/day0 ; 8020 ; ; * ; due date
13 ; N6/day0 ; {_ITEM} ; ; * ; packaging date
15 ; N6/day0 ; {_ITEM} ; ; * ; best before
16 ; N6/day0 ; {_ITEM} ; ; * ; sell by
17 ; N6/day0 ; 01 02 03 255 8006 8026 ; ; * ; expiry
20 ; N2 ; {_ITEM} ; ; * ; variant
21 ; X..20 ; 01 03 8006 ; 235 ; - ; serial
22 ; X..20 ; 01 ; ; - ; consumer product variant
235 ; X..28 ; 01 ; ; - ; third-party serial
240 ; X..30 ; {_ITEM} ; ; ; additional item number
241 ; X..30 ; {_ITEM} ; ; ; customer part number
242 ; N..6 ; 01 02 8006 8026 ; ; ; made-to-order variant
243 ; X..20 ; 01 03 ; ; ; packaging component
250 ; X..30 ; 01+21 03+21 8006+21 ; ; ; secondary serial
251 ; X..30 ; 01 03 8006 ; ; ; reference to source
253 ; N13/sum/prefix [X..17] ; ; ; ; document type
254 ; X..20 ; 414 ; ; - ; GLN extension
255 ; N13/sum/prefix [N..12] ; ; 01 02 415 8006 8020 8026 ; ; coupon number
30 ; N..8 ; 01 02 ; ; ; variable count
37 ; N..8 ; 00+02 00+8026 ; ; ; count of contained items
3900-3909 ; N..15 ; 255 8020 ; 390n 391n 394n 8111 ; ; amount
3910-3919 ; N3/currency N..15 ; 8020 ; 391n ; ; amount with currency
3920-3929 ; N..15 ; {_METRE} ; 392n 393n ; ; price
3930-3939 ; N3/currency N..15 ; {_PRICE} ; 393n ; ; price with currency
3940-3943 ; N4 ; 255 ; 394n 8111 ; ; percentage off
3950-3955 ; N6 ; {_PRICE} ; 392n 393n 395n 8005 ; ; price per unit of measure
400 ; X..30 ; ; ; ; customer order
401 ; X..30/prefix ; ; ; ; consignment
402 ; N17/sum/prefix ; ; ; ; shipment
403 ; X..30 ; 00 ; ; ; route
410 ; N13/sum/prefix ; ; ; * ; ship to
411 ; N13/sum/prefix ; ; ; * ; bill to
412 ; N13/sum/prefix ; ; ; * ; purchased from
413 ; N13/sum/prefix ; ; ; * ; ship for
414 ; N13/sum/prefix ; ; ; * ; location
415 ; N13/sum/prefix ; 8020 ; ; * ; pay to
416 ; N13/sum/prefix ; ; ; * ; production location
417 ; N13/sum/prefix ; ; ; * ; party
420 ; X..20 ; ; 421 ; ; ship-to post code
421 ; N3/country X..9 ; ; 4307 ; ; ship-to post code with country
422 ; N3/country ; {_ITEM} ; 426 ; ; country of origin
423 ; N3/country [N3/country] [N3/country] [N3/country] [N3/country] ; 01 02 03 ; 426 ; ; first processing countries
424 ; N3/country ; 01 02 03 ; 426 ; ; processing country
425 ; N3/country [N3/country] [N3/country] [N3/country] [N3/country] ; 01 02 03 ; 426 ; ; disassembly countries
426 ; N3/country ; 01 02 03 ; ; ; country of full processing
427 ; X..3 ; 01+422 02+422 03+422 ; ; ; subdivision of origin
4300-4301 ; X..35/percent ; 00 ; ; ; ship-to name
4302 ; X..70/percent ; 00 ; ; ; ship-to address
4303 ; X..70/percent ; 4302 ; ; ; ship-to address, second line
4304-4306 ; X..70/percent ; 00 ; ; ; ship-to place
4307 ; X2/land ; 00 ; ; ; ship-to country
4308 ; X..30 ; 00 ; ; ; ship-to telephone
4309 ; N10/latitude N10/longitude ; 00 ; ; ; ship-to position
4310-4311 ; X..35/percent ; 00 ; ; ; return-to name
4312 ; X..70/percent ; 00 ; ; ; return-to address
4313 ; X..70/percent ; 4312 ; ; ; return-to address, second line
4314-4316 ; X..70/percent ; 00 ; ; ; return-to place
4317 ; X2/land ; 00 ; ; ; return-to country
4318 ; X..20 ; 00 ; ; ; return-to post code
4319 ; X..30 ; 00 ; ; ; return-to telephone
4320 ; X..35/percent ; 00 ; ; ; service
4321 ; N1/yesno ; 00 ; ; ; dangerous goods
4322 ; N1/yesno ; 00 ; ; ; may be left
4323 ; N1/yesno ; 00 ; ; ; needs a signature
4324 ; N6/day0 N4/time? ; 00 ; ; ; not before
4325 ; N6/day0 N4/time? ; 00 ; ; ; not after
4326 ; N6/day ; 00 ; ; ; release date
4330 ; N6 [X1/hyphen] ; 00 ; 4331 ; ; highest temperature, F
4331 ; N6 [X1/hyphen] ; 00 ; 4330 ; ; highest temperature, C
4332 ; N6 [X1/hyphen] ; 00 ; 4333 ; ; lowest temperature, F
4333 ; N6 [X1/hyphen] ; 00 ; 4332 ; ; lowest temperature, C
7001 ; N13 ; {_ITEM.replace("03 ", "")} ; ; ; NATO stock number
7002 ; X..30 ; 01 02 ; ; ; meat cut
7003 ; N6/day N4/time ; 01 02 03 ; ; ; expiry date and time
7004 ; N..4 ; 01+10 03+10 ; ; ; active potency
7005 ; X..12 ; 01 02 ; ; ; catch area
7006 ; N6/day ; 01 02 ; ; ; first freezing date
7007 ; N6/day [N6/day] ; 01 02 ; ; ; harvest date
7008 ; X..3 ; 01 02 ; ; ; aquatic species
7009 ; X..10 ; 01 02 ; ; ; fishing gear
7010 ; X..2 ; 01 02 03 ; ; ; production method
7011 ; N6/day [N4/time] ; 01 02 03 ; ; ; test by
7020 ; X..20 ; 01+416 03+416 8006+416 ; ; ; refurbishment lot
7021 ; X..20 ; 01 03 8006 ; ; ; functional status
7022 ; X..20 ; 01+7021 03+7021 8006+7021 ; ; ; revision status
7023 ; X..30/prefix ; ; ; ; assembly
7030-7039 ; N3/country+ X..27 ; 01 02 ; ; ; processor
7040 ; N1 X1 X1 X1/importer ; ; ; - ; unique identification code
7041 ; X..4/packing ; 00 ; ; - ; freight unit type
710-717 ; X..20 ; 01 ; ; ; national healthcare number
7230-7239 ; X2 X..28 ; 01 8004 ; ; ; certification
7240 ; X..20 ; 01 8006 ; 03 ; ; protocol
7241 ; N2/medium ; {_RECIPIENT} ; ; ; identification medium
7242 ; X..25 ; {_RECIPIENT} ; ; ; version control
7250 ; N8/longday ; 8018 ; 7251 ; ; birth date
7251 ; N8/longday N4/time ; 8018 ; 7250 ; ; birth date and time
7252 ; N1/sex ; 8018 ; ; ; biological sex
7253 ; X..40/percent ; {_RECIPIENT} ; 7256 7259 ; ; family name
7254 ; X..40/percent ; {_RECIPIENT} ; 7256 7259 ; ; given name
7255 ; X..10 ; {_RECIPIENT} ; 7256 7259 ; ; name suffix
7256 ; X..90/percent ; {_RECIPIENT} ; ; ; full name
7257 ; X..70/percent ; 8018 ; ; ; personal address
7258 ; X3/place ; 8018+7259 ; ; ; birth sequence
7259 ; X..40/percent ; 8018 ; 7256 ; ; newborn's family name
8001 ; N4/nonzero N5/nonzero N3/nonzero N1/winding N1 ; 01 ; ; ; roll dimensions
8002 ; X..20 ; ; ; ; mobile telephone
8003 ; N1/zero N13/sum/prefix [X..16] ; ; ; ; returnable asset
8004 ; X..30/prefix ; ; ; ; individual asset
8005 ; N6 ; 01 02 ; ; ; price per unit
8006 ; N14/sum/prefix2 N4/piece ; ; 01 03 37 ; ; piece of an item
8007 ; X..34/iban ; 415 ; ; ; bank account
8008 ; N6/day N2/time [N2/minute] [N2/minute] ; 01 02 03 ; ; ; production time
8009 ; X..50 ; 00 01 03 ; ; ; sensor
8010 ; Y..30/prefix ; ; ; ; component
8011 ; N..12/nozero ; 8010 ; ; - ; component serial
8012 ; X..20 ; 01 03 8006 ; ; ; software version
8013 ; X..25/pair/prefix ; ; ; ; model number
8014 ; X..25/pair/prefix/letter ; 01 ; ; - ; registered device
8017 ; N18/sum/prefix ; ; 8018 ; ; service provider
8018 ; N18/sum/prefix ; ; 8017 ; ; service recipient
8019 ; N..10 ; {_RECIPIENT} ; ; - ; service instance
8020 ; X..25 ; 415 ; ; - ; payment reference
8026 ; N14/sum/prefix2 N4/piece ; 37 ; 02 03 8006 ; ; pieces contained
8030 ; Z..90/padding ; 00 01+21 03+21 253 255 8003 8004 8006+21 8010+8011 8017 8018 ; ; ; digital signature
8040 ; N15 ; 01+21 ; ; - ; IMEI
8041 ; N15 ; 01+21+8040 ; ; - ; second IMEI
8042 ; N32 ; 01+21+8040 ; ; - ; embedded SIM
8043 ; N18 [N..2] ; 01+21+8040 ; ; - ; physical SIM
8110 ; X..70/coupon ; ; ; ; coupon, North America
8111 ; N4 ; 255 ; ; ; loyalty points
8112 ; X..70/couponfile ; ; ; ; coupon file, North America
8200 ; X..70 ; 01 ; ; - ; product address
90 ; X..30 ; ; ; ; agreed between partners
91-99 ; X..90 ; ; ; ; company internal
"""

# Six digits with 0 to 5 decimals, the last digit of the identifier: first three digits -> unit, name.
MEASURES: dict[str, tuple[str, str]] = {
    "310": ("kg", "net weight"),
    "311": ("m", "length"),
    "312": ("m", "width"),
    "313": ("m", "height"),
    "314": ("m2", "area"),
    "315": ("l", "net volume"),
    "316": ("m3", "net volume"),
    "320": ("lb", "net weight"),
    "321": ("in", "length"),
    "322": ("ft", "length"),
    "323": ("yd", "length"),
    "324": ("in", "width"),
    "325": ("ft", "width"),
    "326": ("yd", "width"),
    "327": ("in", "height"),
    "328": ("ft", "height"),
    "329": ("yd", "height"),
    "330": ("kg", "gross weight"),
    "331": ("m", "gross length"),
    "332": ("m", "gross width"),
    "333": ("m", "gross height"),
    "334": ("m2", "gross area"),
    "335": ("l", "gross volume"),
    "336": ("m3", "gross volume"),
    "337": ("kg/m2", "weight per area"),
    "340": ("lb", "gross weight"),
    "341": ("in", "gross length"),
    "342": ("ft", "gross length"),
    "343": ("yd", "gross length"),
    "344": ("in", "gross width"),
    "345": ("ft", "gross width"),
    "346": ("yd", "gross width"),
    "347": ("in", "gross height"),
    "348": ("ft", "gross height"),
    "349": ("yd", "gross height"),
    "350": ("in2", "area"),
    "351": ("ft2", "area"),
    "352": ("yd2", "area"),
    "353": ("in2", "gross area"),
    "354": ("ft2", "gross area"),
    "355": ("yd2", "gross area"),
    "356": ("ozt", "net weight"),
    "357": ("oz", "net volume"),
    "360": ("qt", "net volume"),
    "361": ("gal", "net volume"),
    "362": ("qt", "gross volume"),
    "363": ("gal", "gross volume"),
    "364": ("in3", "net volume"),
    "365": ("ft3", "net volume"),
    "366": ("yd3", "net volume"),
    "367": ("in3", "gross volume"),
    "368": ("ft3", "gross volume"),
    "369": ("yd3", "gross volume"),
}

# A link's primary keys, each with the sequences of qualifiers that may follow it in this order.
LINK_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "00": (),
    "01": (("22", "10", "21"), ("235",)),
    "253": (),
    "255": (),
    "401": (),
    "402": (),
    "414": (("254",), ("7040",)),
    "415": (("8020",),),
    "417": (("7040",),),
    "8003": (),
    "8004": (("7040",),),
    "8006": (("22", "10", "21"),),
    "8010": (("8011",),),
    "8013": (),
    "8017": (("8019",),),
    "8018": (("8019",),),
}
