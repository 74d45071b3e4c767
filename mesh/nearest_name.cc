#include "mesh/nearest_name.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace hawser {
namespace {

// A mistyped name is compared, not a novel; names are bounded to 63 characters.
constexpr std::size_t kMaxWordLen = 80;
constexpr std::size_t kMinAbbreviationLen = 3;
constexpr std::size_t kMaxNamesListed = 12;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string normalized(std::string_view word) {
  std::string text;
  for (const char c : word) text += c == '-' ? '_' : lower(c);
  return text;
}

// Insertions, deletions, substitutions (Levenshtein), one row at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

// "keepalive" of "persistent_keepalive", "pubkey" of "public_key": contained, or the first letter
// and others in their order.
bool is_abbreviation(const std::string& word, const std::string& name) {
  if (word.size() < kMinAbbreviationLen) return false;
  if (name.find(word) != std::string::npos) return true;
  std::size_t found = 0;
  for (const char c : name) {
    if (found < word.size() && c == word[found]) ++found;
  }
  return word[0] == name[0] && found == word.size();
}

}  // namespace

std::string_view nearest_name(std::string_view word, std::span<const std::string_view> known) {
  if (word.empty() || word.size() > kMaxWordLen) return {};
  const std::string wanted = normalized(word);
  std::size_t best_distance = std::max<std::size_t>(2, wanted.size() / 3) + 1;
  std::string_view best;
  for (const std::string_view name : known) {
    const std::string candidate = normalized(name);
    std::size_t distance = edit_distance(wanted, candidate);
    // Half of a two-letter word may be anything.
    if (distance >= std::max(wanted.size(), candidate.size())) continue;
    if (is_abbreviation(wanted, candidate)) distance = std::min<std::size_t>(distance, 2);
    if (distance < best_distance) {
      best_distance = distance;
      best = name;
    }
  }
  return best;
}

std::string suggest_name(std::string_view word, std::span<const std::string_view> known) {
  if (known.empty()) return {};
  const std::string_view nearest = nearest_name(word, known);
  if (!nearest.empty()) return "did you mean \"" + std::string(nearest) + "\"?";
  std::string text = "known are ";
  for (std::size_t i = 0; i < std::min(known.size(), kMaxNamesListed); ++i) {
    if (i != 0) text += ", ";
    text += known[i];
  }
  if (known.size() > kMaxNamesListed) text += ", …";
  return text;
}

}  // namespace hawser
