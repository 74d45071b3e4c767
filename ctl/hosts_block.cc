#include "ctl/hosts_block.h"

#include <fmt/format.h>

#include <iterator>
#include <optional>

namespace hawser {

namespace {

constexpr std::string_view kMark = "# BEGIN hawser";

std::string begin_line(std::string_view network) {
  return fmt::format("# BEGIN hawser {}", network);
}
std::string end_line(std::string_view network) { return fmt::format("# END hawser {}", network); }

// One line off the front of `text`, with its newline.
std::string_view take_line(std::string_view& text) {
  const std::size_t newline = text.find('\n');
  const std::string_view line =
      text.substr(0, newline == std::string_view::npos ? newline : newline + 1);
  text.remove_prefix(line.size());
  return line;
}

std::string_view content(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  return line;
}

// The end of the file came before the end of the line.
bool is_cut(std::string_view line) { return !line.empty() && line.back() != '\n'; }

bool can_be_ours(std::string_view line, std::string_view end) {
  const std::string_view text = content(line);
  const std::size_t tab = text.find('\t');
  if (tab == std::string_view::npos) {
    return is_cut(line) && (end.starts_with(line) ||
                            line.find_first_not_of("0123456789abcdef:.") == std::string_view::npos);
  }
  const auto address = IpAddress::parse(text.substr(0, tab));
  return address && !address->is_loopback() &&
         text.find_first_of(" \t#", tab + 1) == std::string_view::npos;
}

// Where the block at the front of `text` (its BEGIN line taken already) is over.
std::string_view after_block(std::string_view text, std::string_view network) {
  const std::string end = end_line(network);
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = content(take_line(rest));
    if (line == end) return rest;
    if (line.starts_with(kMark)) break;
  }
  while (!text.empty()) {
    std::string_view rest = text;
    const std::string_view line = take_line(rest);
    if (!can_be_ours(line, end)) break;
    text = rest;
  }
  return text;
}

struct Parts {
  std::string before;
  std::string after;
};

// A second block, whoever made it, goes too.
std::optional<Parts> cut_out(std::string_view text, std::string_view network) {
  const std::string begin = begin_line(network);
  std::optional<Parts> parts;
  std::string kept;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const bool is_begin = content(line) == begin ||
                          (is_cut(line) && line.size() > kMark.size() && begin.starts_with(line));
    if (!is_begin) {
      kept += line;
      continue;
    }
    text = after_block(text, network);
    if (!parts) parts.emplace().before = std::exchange(kept, {});
  }
  if (parts) parts->after = std::move(kept);
  return parts;
}

}  // namespace

std::string with_hosts_block(std::string_view text, std::string_view network,
                             const std::vector<PlanHostName>& hosts) {
  Parts parts = cut_out(text, network).value_or(Parts{std::string(text), ""});
  std::string out = std::move(parts.before);
  if (!out.empty() && out.back() != '\n') out += '\n';
  out += begin_line(network) + '\n';
  for (const PlanHostName& host : hosts) {
    fmt::format_to(std::back_inserter(out), "{}\t{}\n", host.address.to_string(), host.name);
  }
  return out + end_line(network) + '\n' + parts.after;
}

std::string without_hosts_block(std::string_view text, std::string_view network) {
  const auto parts = cut_out(text, network);
  return parts ? parts->before + parts->after : std::string(text);
}

}  // namespace hawser
