#include "ctl/hidden_key.h"

#include <algorithm>

namespace hawser {

namespace {

// In base64 a key has 43 characters and a '='.
constexpr std::size_t kMostOfOne = 40;

bool is_base64(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/' || c == '=';
}

}  // namespace

bool looks_like_key(std::string_view word) {
  return word.size() >= kMostOfOne && std::all_of(word.begin(), word.end(), is_base64);
}

bool has_key_inside(std::string_view text) {
  std::size_t run = 0;
  return std::any_of(text.begin(), text.end(), [&](char c) {
    run = is_base64(c) ? run + 1 : 0;
    return run == kMostOfOne;
  });
}

std::string hide_key(std::string_view word) {
  return has_key_inside(word) ? "(not shown: it may be a key)" : std::string(word);
}

}  // namespace hawser
