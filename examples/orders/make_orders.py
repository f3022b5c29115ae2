#!/usr/bin/python3
"""Writes orders.jsonl: 1,000 different orders, the same ones every time.

How an order goes is decided by its data, as it would be by the services:
  an item whose SKU begins with SOLD-   is out of stock
  an item whose SKU begins with TIDE-   makes the stock service stumble twice, then works
  card tok_declined                     is declined
  card tok_stumbles                     makes the payment service stumble twice, then works
  card tok_slow                         is charged slowly
  card tok_closed                       is charged, but cannot be refunded for good
  carrier northwind                     is down: refuses every parcel
  carrier polaris                       hangs: takes a parcel and never answers
"""

import json
import random
import sys

SEED = 20260729
KINDS = [
    ("fine", 760), ("stock stumbles", 40), ("card stumbles", 40), ("slow", 25),
    ("out of stock", 50), ("declined", 45), ("carrier down", 25), ("carrier hangs", 5),
    ("refund fails", 10),
]
FIRST = ("Ada Alan Barbara Carlos Chen Dana Edsger Elif Farida Grace Hedy Ines Jamal Joan Kofi "
         "Lars Leslie Mei Niklaus Noor Olga Priya Radia Sofia Tim Tomas Vint Wei Yuki Zoe").split()
LAST = ("Abara Berg Castillo Demir Eriksen Fischer Garcia Hopper Ivanova Jansen Kaya Lovelace "
        "Moreau Nakamura Okafor Perez Quist Rossi Sato Tanaka Ueda Varga Weber Yilmaz Zhang").split()
STREETS = "Mill Lane;Harbour Road;Rue des Lilas;Lindenallee;Via Roma;Calle Mayor;Oak Street".split(";")
CITIES = [("Bergen", "NO", "5003"), ("Lyon", "FR", "69002"), ("Leipzig", "DE", "04109"),
          ("Torino", "IT", "10121"), ("Valencia", "ES", "46002"), ("Leeds", "GB", "LS1 4AP"),
          ("Utrecht", "NL", "3511"), ("Porto", "PT", "4050")]
GOODS = [("BOOK-1042", 1890), ("LAMP-0077", 4950), ("MUG-3310", 1250), ("CHAIR-0018", 12900),
         ("TENT-0402", 18990), ("KNIFE-0231", 7400), ("RADIO-1901", 9900), ("BOOT-0640", 13500)]


def make_order(number, kind, rng):
    first, last = rng.choice(FIRST), rng.choice(LAST)
    city, country, zip_code = rng.choice(CITIES)
    items = [{"sku": sku, "quantity": rng.randint(1, 3), "price": price}
             for sku, price in rng.sample(GOODS, rng.randint(1, 4))]
    if kind == "out of stock":
        items.append({"sku": f"SOLD-{rng.randint(1000, 9999)}", "quantity": 1, "price": 5900})
    if kind == "stock stumbles":
        items.append({"sku": f"TIDE-{rng.randint(1000, 9999)}", "quantity": 1, "price": 2900})
    cards = {"card stumbles": "tok_stumbles", "slow": "tok_slow", "declined": "tok_declined",
             "refund fails": "tok_closed"}
    carriers = {"carrier down": "northwind", "refund fails": "northwind",
                "carrier hangs": "polaris"}
    return {
        "orderId": f"order-{number:04d}",
        "customer": {"name": f"{first} {last}",
                     "email": f"{first}.{last}{number}@mail.example".lower()},
        "items": items,
        "total": {"amount": sum(item["quantity"] * item["price"] for item in items),
                  "currency": "EUR"},
        "payment": {"card": cards.get(kind, rng.choice(["tok_visa", "tok_amex", "tok_maestro"]))},
        "shipping": {"carrier": carriers.get(kind, rng.choice(["swift", "postnord", "colibri"])),
                     "address": {"street": f"{rng.choice(STREETS)} {rng.randint(1, 120)}",
                                 "zip": zip_code, "city": city, "country": country}},
    }


def main():
    rng = random.Random(SEED)
    kinds = [kind for kind, count in KINDS for _ in range(count)]
    rng.shuffle(kinds)
    with open(sys.argv[1] if len(sys.argv) > 1 else "orders.jsonl", "w", encoding="utf-8") as file:
        for number, kind in enumerate(kinds, start=1):
            file.write(json.dumps(make_order(number, kind, rng), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
