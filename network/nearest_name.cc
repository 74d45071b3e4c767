#include "network/nearest_name.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>

namespace hawser {
namespace {

// A mistyped name is compared, not a novel; names are bounded to 63 characters.
constexpr std::size_t kMaxWordLen = 80;
constexpr std::size_t kMinAbbreviationLen = 3;
constexpr std::size_t kMaxNamesListed = 12;

// Of either case, and with '_' for '-'.
constexpr std::array<char, 256> kFolded = [] {
  std::array<char, 256> folded{};
  for (std::size_t c = 0; c < folded.size(); ++c) {
    folded[c] = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  folded['-'] = '_';
  return folded;
}();

std::string normalized(std::string_view word) {
  std::string text(word);
  for (char& c : text) c = kFolded[static_cast<unsigned char>(c)];
  return text;
}

// Which letters a word has, as bits; some stand for several.
std::uint32_t letters(std::string_view word) {
  std::uint32_t bits = 0;
  for (const char c : word) {
    const char folded = kFolded[static_cast<unsigned char>(c)];
    bits |= std::uint32_t{1} << (static_cast<unsigned char>(folded) & 31U);
  }
  return bits;
}

std::size_t num_letters(std::uint32_t bits) {
  return static_cast<std::size_t>(std::popcount(bits));
}

// Insertions, deletions, substitutions (Levenshtein), one row at a time; nullopt: more than `most`.
// So far from the diagonal every cell has more.
std::optional<std::size_t> edit_distance(std::string_view a, std::string_view b, std::size_t most) {
  if (b.size() > kMaxWordLen || a.size() > b.size() + most || b.size() > a.size() + most) {
    return std::nullopt;
  }
  std::array<std::size_t, kMaxWordLen + 1> row{};
  std::iota(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(b.size()) + 1, std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    const std::size_t first = i > most ? i - most : 1;
    const std::size_t last = std::min(b.size(), i + most);
    std::size_t diagonal = row[first - 1];
    std::size_t left = first == 1 ? i : most + 1;
    std::size_t least = left;
    row[first - 1] = left;
    for (std::size_t j = first; j <= last; ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      left = std::min(std::min(diagonal, left) + 1, substituted);
      row[j] = left;
      least = std::min(least, left);
    }
    if (least > most) return std::nullopt;  // no later row has less
  }
  if (row[b.size()] > most) return std::nullopt;
  return row[b.size()];
}

// "keepalive" of "persistent_keepalive", "pubkey" of "public_key": contained, or the first letter
// and others in their order.
bool is_abbreviation(const std::string& word, const std::string& name) {
  if (word.size() < kMinAbbreviationLen) return false;
  if (name.find(word) != std::string::npos) return true;
  if (word[0] != name[0]) return false;
  std::size_t found = 0;
  for (const char c : name) {
    if (found < word.size() && c == word[found]) ++found;
  }
  return found == word.size();
}

}  // namespace

std::string_view nearest_name(std::string_view word, std::span<const std::string_view> known) {
  if (word.empty() || word.size() > kMaxWordLen) return {};
  const std::string wanted = normalized(word);
  std::size_t best_distance = std::max<std::size_t>(2, wanted.size() / 3) + 1;
  const std::uint32_t in_wanted = letters(wanted);
  std::string_view best;
  for (const std::string_view name : known) {
    // Half of a two-letter word may be anything.
    const std::size_t end = std::min(best_distance, std::max(wanted.size(), name.size()));
    const std::uint32_t in_name = letters(name);
    const std::size_t num_alien = num_letters(in_wanted & ~in_name);
    // An edit takes one letter away.
    if (end == 0 || num_alien >= end) continue;
    const std::string candidate = normalized(name);
    std::optional<std::size_t> distance;
    if (num_alien == 0 && is_abbreviation(wanted, candidate)) {
      // Nothing but insertions.
      distance = std::min<std::size_t>(candidate.size() - wanted.size(), 2);
    } else if (num_letters(in_name & ~in_wanted) < end) {
      distance = edit_distance(wanted, candidate, end - 1);
    }
    if (distance && *distance < best_distance) {
      best_distance = *distance;
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
