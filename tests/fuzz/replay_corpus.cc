// A fuzz target without libFuzzer: runs it over the files of its corpus and over mutations of them,
// the same ones each time, so that each suite, above all those with sanitizers, tries hostile bytes
// on each parser.
//
//   json_fuzzer FOLDER [MUTATIONS]
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;

constexpr size_t kInputBytesMax = 64 << 10;
// An input that takes longer is reported.
constexpr std::chrono::seconds kInputTimeMax(10);

std::vector<std::string> ReadFolder(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.file_size() <= kInputBytesMax)
      paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs;
  for (const fs::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

class Mutator {
 public:
  explicit Mutator(const std::vector<std::string>& inputs) : inputs_(inputs) {}

  // A few changes, one after another.
  std::string Mutate(std::string input) {
    for (size_t changes = 1 + Below(4); changes > 0; --changes) Change(input);
    return input;
  }

 private:
  size_t Below(size_t end) { return end == 0 ? 0 : random_() % end; }

  void Change(std::string& input) {
    const size_t at = Below(input.size());
    switch (Below(6)) {
      case 0:
        if (!input.empty()) input[at] = static_cast<char>(input[at] ^ (1 << Below(8)));
        break;
      case 1:
        input.resize(at);
        break;
      case 2:
        input.insert(at, 1 + Below(8), static_cast<char>(Below(256)));
        break;
      case 3:
        input.erase(at, 1 + Below(16));
        break;
      case 4:  // a piece of it again
        input.insert(Below(input.size()), input.substr(at, 1 + Below(64)));
        break;
      default: {  // the end of another one
        const std::string& other = inputs_[Below(inputs_.size())];
        input.replace(at, std::string::npos, other.substr(Below(other.size())));
      }
    }
  }

  const std::vector<std::string>& inputs_;
  std::mt19937_64 random_{20'000};
};

int Run(const std::string& input) {
  const auto begin = std::chrono::steady_clock::now();
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  if (std::chrono::steady_clock::now() - begin <= kInputTimeMax) return 0;
  std::cerr << "took too long, an input of " << input.size() << " bytes:\n" << input << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t mutations = 20'000;
  if (argc < 2 || argc > 3 || (argc == 3 && !absl::SimpleAtoi(argv[2], &mutations))) {
    std::cerr << "usage: " << argv[0] << " FOLDER [MUTATIONS]\n";
    return 2;
  }
  const std::vector<std::string> inputs = ReadFolder(argv[1]);
  if (inputs.empty()) {
    std::cerr << argv[1] << " has no files\n";
    return 2;
  }
  int slow = Run("");
  for (const std::string& input : inputs) slow |= Run(input);
  Mutator mutator(inputs);
  for (uint64_t i = 0; i < mutations; ++i) slow |= Run(mutator.Mutate(inputs[i % inputs.size()]));
  std::cout << inputs.size() << " files, " << mutations << " mutations\n";
  return slow;
}
