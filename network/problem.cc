#include "network/problem.h"

#include <algorithm>
#include <tuple>

namespace hawser {

bool has_errors(const std::vector<Problem>& problems) {
  return std::any_of(problems.begin(), problems.end(),
                     [](const Problem& problem) { return problem.severity == Severity::kError; });
}

void sort_problems(std::vector<Problem>& problems) {
  const auto key = [](const Problem& problem) {
    return std::tie(problem.line, problem.thing, problem.severity, problem.message);
  };
  std::stable_sort(problems.begin(), problems.end(),
                   [&](const Problem& a, const Problem& b) { return key(a) < key(b); });
  problems.erase(std::unique(problems.begin(), problems.end()), problems.end());
}

std::string problem_to_string(const Problem& problem, std::string_view file_name) {
  std::string text(file_name);
  if (problem.line != 0) text += ':' + std::to_string(problem.line);
  text += problem.severity == Severity::kError ? ": error: " : ": warning: ";
  if (!problem.thing.empty()) text += problem.thing + ": ";
  text += problem.message;
  if (!problem.remedy.empty()) text += "; " + problem.remedy;
  // Keys and values are the file's; a terminal must not obey what they hold.
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return text;
}

}  // namespace hawser
