#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hawser {

enum class Severity : std::uint8_t { kError, kWarning };

// Problem is one thing that is wrong, or looks wrong, in a network file: where, what, and what to
// do about it. Errors refuse the file as a whole; warnings are shown.
struct Problem {
  Severity severity = Severity::kError;
  unsigned line = 0;    // of the file, from 1; 0: the thing is not on any line (it is missing)
  std::string thing;    // the path of the key: "peers.laptop1.public_key"
  std::string message;  // what is wrong, naming the others that are involved
  std::string remedy;   // what to do; may be empty

  friend bool operator==(const Problem&, const Problem&) = default;
};

bool has_errors(const std::vector<Problem>& problems);

// By line, so that people read them down the file; those without a line come first. Exact
// duplicates are dropped.
void sort_problems(std::vector<Problem>& problems);

// "vpn.toml:12: error: peers.laptop1.public_key: MESSAGE; REMEDY"
std::string problem_to_string(const Problem& problem, std::string_view file_name);

}  // namespace hawser
