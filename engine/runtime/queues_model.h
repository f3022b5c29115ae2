// The read model of task queues: what the broker knows at the moment, and how fast work was done of
// late. Not folded from the log: who works is no event.
#pragma once

#include <memory>

#include "engine/projection/projector.h"
#include "engine/task/broker.h"

namespace skald::runtime {

// `broker` and `projector` (set before the first read) must outlive it.
projection::ComputedModel QueuesModel(const task::Broker& broker,
                                      const std::unique_ptr<projection::Projector>& projector);

}  // namespace skald::runtime
