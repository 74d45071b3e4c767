#include <gtest/gtest.h>

#include <chrono>

#include "ctl/cli_text.h"

namespace hawser {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(CliText, WritesBytesRatesAndAgesForPeople) {
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1536), "1.50 KiB");
  EXPECT_EQ(format_bit_rate(0), "0 bit/s");
  EXPECT_EQ(format_bit_rate(-5), "0 bit/s");
  EXPECT_EQ(format_bit_rate(100), "800 bit/s");
  EXPECT_EQ(format_bit_rate(124'999.9), "1.0 Mbit/s");  // never "1000.0 kbit/s"
  EXPECT_EQ(format_bit_rate(1.25e9), "10.0 Gbit/s");
  EXPECT_EQ(format_age(0), "now");
  EXPECT_EQ(format_age(90061), "1 day, 1 hour, 1 minute, 1 second");
  EXPECT_EQ(format_short_age(3723), "1 h");
  EXPECT_EQ(format_short_age(0), "now");
}

TEST(CliText, WritesMeasuredTimesWithTheDigitsThatMatter) {
  EXPECT_EQ(format_span(std::chrono::microseconds(310)), "0.31 ms");
  EXPECT_EQ(format_span(milliseconds(120)), "120 ms");
  EXPECT_EQ(format_span(milliseconds(2100)), "2.10 s");
  EXPECT_EQ(format_span(seconds(90)), "1 min 30 s");
  EXPECT_EQ(format_span(minutes(61)), "1 h 1 min");
}

TEST(CliText, ReadsTimesWithAndWithoutUnits) {
  EXPECT_EQ(parse_span("30"), seconds(30));
  EXPECT_EQ(parse_span("1.5s"), milliseconds(1500));
  EXPECT_EQ(parse_span("500ms"), milliseconds(500));
  EXPECT_EQ(parse_span("2m"), minutes(2));
  EXPECT_EQ(parse_span("1h"), minutes(60));
  for (const char* wrong : {"", "0", "-1", "s", ".", "1.2.3", "5 s", "1e3", "3w", "99999d",
                            "0.0000000001", "9999999999999999999999"}) {
    EXPECT_FALSE(parse_span(wrong).has_value()) << wrong;
  }
}

TEST(CliText, PadsByCharactersAndNotByBytes) {
  EXPECT_EQ(text_width("ab…"), 3u);
  EXPECT_EQ(pad_to("ab…", 5), "ab…  ");
  EXPECT_EQ(pad_to("abc", 2), "abc");
}

}  // namespace
}  // namespace hawser
