#pragma once
#include <vector>

namespace hawser::testing {

// Puts an option of libFuzzer before those of the command line, which go before it. For
// LLVMFuzzerInitialize(), where a target says how long its inputs get: what is longer than
// anything that its format has costs runs and finds nothing.
inline int add_option(int* argc, char*** argv, const char* option) {
  static std::vector<char*> all;
  all.assign(*argv, *argv + *argc);
  all.insert(all.begin() + 1, const_cast<char*>(option));
  *argc = static_cast<int>(all.size());
  all.push_back(nullptr);
  *argv = all.data();
  return 0;
}

}  // namespace hawser::testing
