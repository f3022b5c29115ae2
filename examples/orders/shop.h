// The services behind the orders example: stock, payment, carriers, mail. They keep their effects
// in a Journal, and go wrong where an order's data says so (make_orders.py lists how).
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/json.h"
#include "examples/orders/journal.h"
#include "skald/v1/saga.pb.h"

namespace skald::examples {

// The worker functions of order.yaml.
inline const std::vector<std::string> kShopFunctions = {
    "reserveStock", "releaseStock", "charge", "refund", "ship", "cancelShipment", "notify"};

struct ShopAnswer {
  bool failed = false;
  std::string output;  // JSON
  v1::Problem error;
};

// Does one call. `stop` is set when nobody wants the answer any more. Blocks, for as long as such a
// service would take.
ShopAnswer Serve(const std::string& function, const Json& arguments, const std::string& key,
                 const Journal& journal, const std::atomic<bool>& stop);

}  // namespace skald::examples
