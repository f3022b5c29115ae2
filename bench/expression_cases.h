// What expression_benchmark and its libjq half measure: a document of about 1 KB, and expressions
// on it.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"

namespace skald::bench {

inline std::string OrderText() {
  std::string items;
  for (int i = 0; i < 10; ++i) {
    absl::StrAppend(&items, i == 0 ? "" : ",", R"({"sku": "article-)", 1000 + i, R"(", "qty": )",
                    i % 3 + 1, R"(, "price": )", 10 * i + 9, R"(.95, "note": "as ordered"})");
  }
  return absl::StrCat(R"({"id": "order-4711", "status": "paid", "customer": {"name": "Ada", )"
                      R"("email": "ada@example.com", "address": {"city": "London"}}, )"
                      R"("order": {"total": 512.5, "currency": "EUR", "items": [)",
                      items, "]}}");
}

inline constexpr const char* kExpressions[] = {
    R"(.order.total > 100 and .status == "paid")",
    ".order.items | map(.qty * .price) | add",
    ".customer.address.city",
    "{id, total: .order.total, skus: [.order.items[].sku]}",
    R"(.order.items[] | select(.qty > 2) | .sku)",
    R"j("order \(.id) of \(.customer.name): \(.order.total)")j",
    "reduce .order.items[] as $item (0; . + $item.qty)",
    ".order.total += 1",
    ".order.items |= sort_by(.price)",
    R"(.customer.email | test("^[a-z]+@"))",
    "[.order.items | group_by(.qty)[] | {qty: .[0].qty, n: length}]",
    "def f: if . > 1000 then . else . + 1 | f end; 0 | f",
};
inline constexpr int kExpressionCount = static_cast<int>(std::size(kExpressions));

}  // namespace skald::bench
