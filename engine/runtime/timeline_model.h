// The read model of one saga's events: computed from its history when it is read.
#pragma once

#include "engine/projection/projector.h"
#include "engine/runtime/engine.h"

namespace skald::runtime {

// `engine` must outlive it.
projection::ComputedModel TimelineModel(Engine& engine);

}  // namespace skald::runtime
