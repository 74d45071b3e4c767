#include "ctl/hosts_block.h"

#include <fmt/format.h>

#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <sstream>

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

std::string_view short_name(std::string_view full_name) {
  return full_name.substr(0, full_name.find('.'));
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// The names that the lines of others give.
std::set<std::string> names_in(std::string_view text) {
  std::set<std::string> names;
  while (!text.empty()) {
    std::string_view line = content(take_line(text));
    line = line.substr(0, line.find('#'));
    std::istringstream words{std::string(line)};
    std::string word;
    for (words >> word; words >> word;) names.insert(lower(word));
  }
  return names;
}

// Short names that can stand beside full ones without changing what a name means here: no
// localhost, none of `taken`, and none that two hosts would share.
std::map<std::string, std::string> short_names(const std::vector<PlanHostName>& hosts,
                                               const std::set<std::string>& taken) {
  std::map<std::string, std::string> full_by_short;  // empty: of several
  for (const PlanHostName& host : hosts) {
    const std::string name = lower(short_name(host.name));
    if (name.size() == host.name.size() || name == "localhost" || taken.contains(name)) continue;
    const auto [known, is_new] = full_by_short.try_emplace(name, host.name);
    if (!is_new && known->second != host.name) known->second.clear();
  }
  return full_by_short;
}

bool can_be_ours(std::string_view line, std::string_view end) {
  const std::string_view text = content(line);
  const std::size_t tab = text.find('\t');
  if (tab == std::string_view::npos) {
    return is_cut(line) && (end.starts_with(line) ||
                            line.find_first_not_of("0123456789abcdef:.") == std::string_view::npos);
  }
  const auto address = IpAddress::parse(text.substr(0, tab));
  if (!address || address->is_loopback()) return false;
  const std::string_view names = text.substr(tab + 1);
  const std::size_t space = names.find_first_of(" \t#");
  if (space == std::string_view::npos) return true;
  const std::string_view second = names.substr(space + 1);
  const std::string_view expected = short_name(names.substr(0, space));
  return names[space] == ' ' &&
         (second == expected || (is_cut(line) && expected.starts_with(second)));
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
                             const std::vector<PlanHostName>& hosts, std::string_view own_name) {
  Parts parts = cut_out(text, network).value_or(Parts{std::string(text), ""});
  std::string out = std::move(parts.before);
  if (!out.empty() && out.back() != '\n') out += '\n';
  std::set<std::string> taken = names_in(out);
  taken.merge(names_in(parts.after));
  taken.insert(lower(own_name));
  taken.insert(lower(short_name(own_name)));
  const std::map<std::string, std::string> short_by = short_names(hosts, taken);
  out += begin_line(network) + '\n';
  for (const PlanHostName& host : hosts) {
    const std::string name(short_name(host.name));
    const auto known = short_by.find(lower(name));
    const bool has_short = known != short_by.end() && known->second == host.name;
    fmt::format_to(std::back_inserter(out), "{}\t{}{}{}\n", host.address.to_string(), host.name,
                   has_short ? " " : "", has_short ? name : std::string());
  }
  return out + end_line(network) + '\n' + parts.after;
}

std::string without_hosts_block(std::string_view text, std::string_view network) {
  const auto parts = cut_out(text, network);
  return parts ? parts->before + parts->after : std::string(text);
}

}  // namespace hawser
