#pragma once
// Numbers as people read and write them. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace hawser {

// "10 B", "1.50 KiB", as wg(8) words it.
std::string format_bytes(std::int64_t bytes);

// "12.3 Mbit/s", "0 bit/s"; a negative or undefined rate is 0.
std::string format_bit_rate(double bytes_per_second);

// "1 hour, 2 minutes, 3 seconds"; "now" for 0 and less.
std::string format_age(std::int64_t seconds);
// The largest unit alone: "3 min", "now".
std::string format_short_age(std::int64_t seconds);

// "0.31 ms", "120 ms", "2.10 s", "1 min 30 s": what was measured.
std::string format_span(Duration span);

// "30", "30s", "1.5s", "500ms", "2m", "1h", "1d": without a unit it is seconds. Nothing for
// anything else, for what is not more than zero, and for more than 10 years.
std::optional<Duration> parse_span(std::string_view text);

// "1 peer", "2 peers".
std::string format_count(std::size_t count, std::string_view noun);

// Characters, not bytes: what a column of a terminal holds.
std::size_t text_width(std::string_view text);
std::string pad_to(std::string_view text, std::size_t width);

}  // namespace hawser
