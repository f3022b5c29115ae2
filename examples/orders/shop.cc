#include "examples/orders/shop.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace skald::examples {

namespace {

constexpr absl::Duration kUsualDelay = absl::Milliseconds(3);
constexpr absl::Duration kSlowDelay = absl::Milliseconds(250);
constexpr absl::Duration kHang = absl::Seconds(20);
constexpr int kStumbles = 2;  // tries that fail before one works

ShopAnswer Refuse(int status, const std::string& kind, const std::string& title,
                  const std::string& detail) {
  ShopAnswer answer{.failed = true};
  answer.error.set_type("https://shop.example/errors/" + kind);
  answer.error.set_status(status);
  answer.error.set_title(title);
  answer.error.set_detail(detail);
  return answer;
}

std::string Text(const Json& value) {
  return value.is_string() ? std::string(value.AsString()) : "";
}

bool HasItem(const Json& arguments, absl::string_view prefix) {
  if (!arguments.Get("items").is_array()) return false;
  for (const Json& item : arguments.Get("items").AsArray()) {
    if (absl::StartsWith(Text(item.Get("sku")), prefix)) return true;
  }
  return false;
}

// What the service says no to. Not failed: nothing.
ShopAnswer Objection(const std::string& function, const Json& arguments) {
  const std::string card = Text(arguments.Get("card"));
  const std::string carrier = Text(arguments.Get("carrier"));
  if (function == "reserveStock" && HasItem(arguments, "SOLD-")) {
    return Refuse(422, "out-of-stock", "out of stock", "an item of this order is sold out");
  }
  if (function == "charge" && card == "tok_declined") {
    return Refuse(402, "declined", "card declined", "the bank says: insufficient funds");
  }
  if (function == "refund" && card == "tok_closed") {
    return Refuse(422, "account-closed", "account closed", "the card's account is closed");
  }
  if (function == "ship" && carrier == "northwind") {
    return Refuse(503, "carrier-down", "carrier down", "northwind takes no parcels today");
  }
  return {};
}

bool Stumbles(const std::string& function, const Json& arguments) {
  if (function == "reserveStock") return HasItem(arguments, "TIDE-");
  return function == "charge" && Text(arguments.Get("card")) == "tok_stumbles";
}

void Sleep(absl::Duration delay, const std::atomic<bool>& stop) {
  const absl::Time end = absl::Now() + delay;
  while (!stop && absl::Now() < end) {
    absl::SleepFor(std::min(absl::Milliseconds(20), end - absl::Now()));
  }
}

// The member that the next tasks and the undo know the effect by.
std::string Result(const std::string& function, const std::string& key) {
  const std::string number = ShortName(key).substr(0, 10);
  if (function == "reserveStock") return absl::StrCat(R"({"reservationId":"R-)", number, "\"}");
  if (function == "charge") return absl::StrCat(R"({"chargeId":"C-)", number, "\"}");
  if (function == "refund") return absl::StrCat(R"({"refundId":"B-)", number, "\"}");
  if (function == "ship") return absl::StrCat(R"({"trackingId":"T-)", number, "\"}");
  return R"({"done":true})";
}

}  // namespace

ShopAnswer Serve(const std::string& function, const Json& arguments, const std::string& key,
                 const Journal& journal, const std::atomic<bool>& stop) {
  Sleep(Text(arguments.Get("card")) == "tok_slow" ? kSlowDelay : kUsualDelay, stop);
  ShopAnswer objection = Objection(function, arguments);
  if (objection.failed) return objection;
  if (function == "ship" && Text(arguments.Get("carrier")) == "polaris") {
    Sleep(kHang, stop);
    return Refuse(504, "no-answer", "no answer", "polaris does not answer");
  }
  if (Stumbles(function, arguments)) {
    const absl::StatusOr<int> tries = journal.CountTry(key);
    if (!tries.ok() || *tries <= kStumbles) {
      return Refuse(503, "stumbled", "service stumbled", "try again");
    }
  }
  absl::StatusOr<std::string> result =
      journal.Apply(key, function, Text(arguments.Get("orderId")), Result(function, key));
  if (!result.ok()) return Refuse(500, "journal", "journal", result.status().ToString());
  return {.failed = false, .output = *std::move(result)};
}

}  // namespace skald::examples
