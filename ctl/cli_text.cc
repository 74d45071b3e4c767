#include "ctl/cli_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>

namespace hawser {

namespace {

struct AgeUnit {
  std::int64_t seconds;
  const char* name;
  const char* short_name;
};
constexpr std::array kAgeUnits{AgeUnit{86400, "day", "d"}, AgeUnit{3600, "hour", "h"},
                               AgeUnit{60, "minute", "min"}, AgeUnit{1, "second", "s"}};

// So that a Duration never overflows.
constexpr double kMaxSpanSeconds = 10.0 * 365 * 86400;

double seconds_of(std::string_view unit) {
  if (unit.empty() || unit == "s") return 1;
  if (unit == "ms") return 1e-3;
  if (unit == "m" || unit == "min") return 60;
  if (unit == "h") return 3600;
  if (unit == "d") return 86400;
  return 0;
}

// Digits, at most one dot among them.
std::optional<double> parse_decimal(std::string_view text) {
  if (text.empty() || text.size() > 18 || text.find_first_of("0123456789") == text.npos) {
    return std::nullopt;
  }
  double value = 0;
  double scale = 1;
  bool after_dot = false;
  for (const char c : text) {
    if (c == '.' && !after_dot) {
      after_dot = true;
    } else if (c >= '0' && c <= '9') {
      value = value * 10 + (c - '0');
      if (after_dot) scale *= 10;
    } else {
      return std::nullopt;
    }
  }
  return value / scale;
}

}  // namespace

std::string format_bytes(std::int64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.2f} {}", value, kUnits[unit]);
}

std::string format_bit_rate(double bytes_per_second) {
  constexpr std::array kUnits{"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"};
  double value = bytes_per_second * 8;
  if (!(value >= 0.5)) return "0 bit/s";
  std::size_t unit = 0;
  // 999.95 would be printed as 1000.0.
  while (value >= (unit == 0 ? 999.5 : 999.95) && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} {}", value, kUnits[unit])
                   : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string format_age(std::int64_t seconds) {
  if (seconds <= 0) return "now";
  std::string text;
  for (const AgeUnit& unit : kAgeUnits) {
    const std::int64_t count = seconds / unit.seconds;
    seconds %= unit.seconds;
    if (count == 0) continue;
    fmt::format_to(std::back_inserter(text), "{}{} {}{}", text.empty() ? "" : ", ", count,
                   unit.name, count == 1 ? "" : "s");
  }
  return text;
}

std::string format_short_age(std::int64_t seconds) {
  for (const AgeUnit& unit : kAgeUnits) {
    if (seconds >= unit.seconds) {
      return fmt::format("{} {}", seconds / unit.seconds, unit.short_name);
    }
  }
  return "now";
}

std::string format_span(Duration span) {
  const double seconds = std::chrono::duration<double>(span).count();
  if (seconds < 0.01) return fmt::format("{:.2f} ms", seconds * 1e3);
  if (seconds < 0.9995) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 59.995) return fmt::format("{:.2f} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::lround(seconds));
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::optional<Duration> parse_span(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::optional<double> number = parse_decimal(text.substr(0, digits));
  const double seconds = number.value_or(0) * seconds_of(text.substr(digits));
  if (!(seconds > 0) || seconds > kMaxSpanSeconds) return std::nullopt;
  const auto nanoseconds = std::llround(seconds * 1e9);
  if (nanoseconds == 0) return std::nullopt;
  return Duration(nanoseconds);
}

std::string format_count(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::size_t text_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string pad_to(std::string_view text, std::size_t width) {
  const std::size_t has = text_width(text);
  return std::string(text) + std::string(width > has ? width - has : 0, ' ');
}

}  // namespace hawser
