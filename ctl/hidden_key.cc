#include "ctl/hidden_key.h"

#include <algorithm>
#include <array>

namespace hawser {

namespace {

// In base64 a key has 43 characters and a '='.
constexpr std::size_t kMostOfOne = 40;

constexpr std::array<bool, 256> kIsBase64 = [] {
  std::array<bool, 256> table{};
  for (const char c :
       std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

bool is_base64(char c) { return kIsBase64[static_cast<unsigned char>(c)]; }

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
