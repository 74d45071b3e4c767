#include "ctl/hidden_key.h"

#include <algorithm>

namespace hawser {

bool looks_like_key(std::string_view word) {
  constexpr std::size_t kMostOfOne = 40;
  return word.size() >= kMostOfOne && std::all_of(word.begin(), word.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '+' || c == '/' || c == '=';
         });
}

std::string hide_key(std::string_view word) {
  return looks_like_key(word) ? "(not shown: it may be a key)" : std::string(word);
}

}  // namespace hawser
