// Definitions that together use every construct of the language, as seeds for mutation.
#pragma once

#include <string>
#include <vector>

namespace skald::definition {

// Valid by the standard's schema; the first half uses only what runs.
const std::vector<std::string>& Corpus();

}  // namespace skald::definition
