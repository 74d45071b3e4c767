#include "ctl/cli_top.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>
#include <vector>

#include "ctl/cli_text.h"

namespace hawser {

namespace {

constexpr std::size_t kNumColumns = 9;
constexpr std::size_t kMinNameWidth = 12;
// Beside each carrier.
constexpr std::size_t kMaxRoutesShown = 8;
using Row = std::array<std::string, kNumColumns>;

std::int64_t sum(const std::vector<StatusLine>& drops) {
  std::int64_t total = 0;
  for (const auto& [reason, count] : drops) total += status_integer(count).value_or(0);
  return total;
}

double rate(std::int64_t now, std::int64_t before, double seconds) {
  return now > before && seconds > 0 ? static_cast<double>(now - before) / seconds : 0;
}

// Cuts between characters.
std::string fit(std::string_view line, std::size_t columns) {
  std::size_t width = 0;
  std::size_t end = 0;
  for (; end < line.size(); ++end) {
    if ((static_cast<unsigned char>(line[end]) & 0xc0) != 0x80 && ++width > columns) break;
  }
  return std::string(line.substr(0, end));
}

std::string state_of(const PeerStatus& peer) {
  if (peer.is_controller) {
    return peer.liveness() == "unheard" ? "-" : std::string(peer.liveness());
  }
  if (peer.is_answering()) return "session";
  return peer.has_session ? "silent" : "-";
}

std::string format_drop_rate(double rate) {
  return rate < 0.05 ? "0" : fmt::format("{:.1f}", rate);
}

Row peer_row(const PeerStatus& peer, const PeerRates& rates, std::int64_t now) {
  const std::string endpoint = peer.endpoint.empty() ? peer.configured_endpoint : peer.endpoint;
  std::string age = "never";
  if (peer.last_handshake > 0) {
    age = format_short_age(std::max<std::int64_t>(now - peer.last_handshake, 0));
  }
  return {peer.name.empty() ? peer.public_key.substr(0, 12) + "…" : peer.name,
          state_of(peer),
          format_bit_rate(rates.rx),
          format_bit_rate(rates.tx),
          format_drop_rate(rates.drops),
          age,
          format_bytes(peer.rx_bytes),
          format_bytes(peer.tx_bytes),
          endpoint.empty() ? "-" : endpoint};
}

std::vector<const PeerStatus*> in_order(const InterfaceStatus& status, const RateMeter& rates) {
  std::vector<const PeerStatus*> peers;
  for (const PeerStatus& peer : status.peers) peers.push_back(&peer);
  const auto traffic = [&](const PeerStatus* peer) {
    const PeerRates of = rates.of(*peer);
    return of.rx + of.tx;
  };
  std::stable_sort(peers.begin(), peers.end(), [&](const PeerStatus* a, const PeerStatus* b) {
    if (a->is_controller != b->is_controller) return a->is_controller;
    return traffic(a) > traffic(b);
  });
  return peers;
}

constexpr std::size_t kGap = 2;

std::size_t width_of(const std::array<std::size_t, kNumColumns>& widths, std::size_t num) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < num; ++i) width += widths[i] + (i == 0 ? 0 : kGap);
  return width;
}

// As many columns as fit, from the left; a long name gives way first, down to the shortest that
// tells hosts apart.
std::vector<std::string> aligned(std::vector<Row> rows, std::size_t columns) {
  std::array<std::size_t, kNumColumns> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], text_width(row[i]));
    }
  }
  widths[0] = std::min(widths[0], std::max(kMinNameWidth, columns / 4));
  std::size_t num = kNumColumns;
  while (num > 1 && width_of(widths, num) > columns) --num;
  std::vector<std::string> lines;
  for (Row& row : rows) {
    if (text_width(row[0]) > widths[0]) row[0] = fit(row[0], widths[0] - 1) + "…";
    std::string& line = lines.emplace_back();
    for (std::size_t i = 0; i < num; ++i) {
      line += pad_to(row[i], widths[i]) + std::string(kGap, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
  }
  return lines;
}

// Puts parts beside each other, on as many lines as that takes.
void flow(std::vector<std::string>& lines, const std::vector<std::string>& parts,
          std::string_view gap, std::size_t columns) {
  std::string line;
  for (const std::string& part : parts) {
    if (!line.empty() && text_width(line) + gap.size() + text_width(part) > columns) {
      lines.push_back(std::exchange(line, "  "));
      line += part;
      continue;
    }
    if (!line.empty()) line += gap;
    line += part;
  }
  if (!line.empty()) lines.push_back(std::move(line));
}

// Controllers alone: what every other host carries is its own, and there may be thousands.
void add_carriers(std::vector<std::string>& lines, const InterfaceStatus& status,
                  std::size_t columns) {
  std::map<std::string, std::vector<std::string>> carried;
  for (const RouteStatus& route : status.routes) {
    const PeerStatus* const peer = status.find(route.via);
    if (!route.via.empty() && (peer == nullptr || !peer->is_controller)) continue;
    carried[route.via.empty() ? "nobody" : route.via].push_back(route.destination);
  }
  for (const auto& [via, routes] : carried) {
    std::vector<std::string> parts{via + " carries"};
    for (std::size_t i = 0; i < std::min(routes.size(), kMaxRoutesShown); ++i) {
      parts.push_back(routes[i] + (i + 1 < routes.size() ? "," : ""));
    }
    if (routes.size() > kMaxRoutesShown) {
      parts.push_back(fmt::format("and {} more", routes.size() - kMaxRoutesShown));
    }
    flow(lines, parts, " ", columns);
  }
}

std::vector<std::string> head_lines(const InterfaceStatus& status, const RateMeter& rates,
                                    std::int64_t now, std::size_t columns) {
  constexpr std::string_view kBetween = "   ";
  std::vector<std::string> lines;
  std::vector<std::string> who{status.interface};
  if (!status.network.empty()) {
    who.push_back(fmt::format("{} is {} of network {}", status.host, status.role, status.network));
  }
  if (!status.up) who.emplace_back("DOWN");
  if (status.under_load) who.emplace_back("under load");
  who.push_back("running for " + format_short_age(std::max<std::int64_t>(now - status.started, 1)));
  who.push_back(fmt::format(
      "{}, {}, {}", status.engine, status.aead,
      format_count(static_cast<std::size_t>(std::max<std::int64_t>(status.workers, 0)), "worker")));
  who.emplace_back("h: help");
  flow(lines, who, kBetween, columns);
  const PeerRates total = rates.total();
  flow(lines,
       {"received " + format_bit_rate(total.rx), "sent " + format_bit_rate(total.tx),
        fmt::format("relayed {:.0f} packets/s", rates.relayed()),
        fmt::format("dropped {} /s", format_drop_rate(total.drops))},
       kBetween, columns);
  if (status.confirm_until > 0) {
    flow(lines,
         {"a reload waits for hawser confirm,",
          format_age(std::max<std::int64_t>(status.confirm_until - now, 1)) + " left"},
         " ", columns);
  }
  if (status.taken_back > 0) {
    flow(lines, {"the last reload was taken back:", "what runs is not what the file says"}, " ",
         columns);
  }
  add_carriers(lines, status, columns);
  return lines;
}

}  // namespace

RateMeter::Counters RateMeter::counters_of(const PeerStatus& peer) {
  return {peer.rx_bytes, peer.tx_bytes, sum(peer.drops)};
}

void RateMeter::add(const InterfaceStatus& status, Instant now) {
  const double seconds = std::chrono::duration<double>(now - last_time_).count();
  const bool same_daemon = has_last_ && started_ == status.started;
  total_ = {};
  relayed_ = 0;
  rates_.clear();
  if (same_daemon) {
    for (const PeerStatus& peer : status.peers) {
      const auto before = last_.find(peer.public_key);
      if (before == last_.end()) continue;
      const Counters counters = counters_of(peer);
      PeerRates& rates = rates_[peer.public_key];
      rates.rx = rate(counters.rx, before->second.rx, seconds);
      rates.tx = rate(counters.tx, before->second.tx, seconds);
      rates.drops = rate(counters.drops, before->second.drops, seconds);
      total_.rx += rates.rx;
      total_.tx += rates.tx;
      total_.drops += rates.drops;
    }
    total_.drops += rate(sum(status.drops), last_drops_, seconds);
    relayed_ = rate(status.relayed_packets, last_relayed_, seconds);
  }
  start(status, now);
}

void RateMeter::start(const InterfaceStatus& status, Instant now) {
  last_.clear();
  for (const PeerStatus& peer : status.peers) last_[peer.public_key] = counters_of(peer);
  last_relayed_ = status.relayed_packets;
  last_drops_ = sum(status.drops);
  started_ = status.started;
  last_time_ = now;
  has_last_ = true;
}

PeerRates RateMeter::of(const PeerStatus& peer) const {
  const auto found = rates_.find(peer.public_key);
  return found == rates_.end() ? PeerRates{} : found->second;
}

std::string render_top(const InterfaceStatus& status, const RateMeter& rates, std::int64_t now,
                       std::size_t rows, std::size_t columns) {
  std::vector<std::string> lines = head_lines(status, rates, now, columns);
  lines.emplace_back();
  std::vector<Row> table{{"PEER", "STATE", "RECEIVES", "SENDS", "DROPS/s", "HANDSHAKE", "RECEIVED",
                          "SENT", "ENDPOINT"}};
  const std::vector<const PeerStatus*> peers = in_order(status, rates);
  // The heading of the table, and the last line that says how many more there are.
  const std::size_t room = rows > lines.size() + 2 ? rows - lines.size() - 2 : 0;
  const std::size_t num_shown = peers.size() > room + 1 ? room : peers.size();
  for (std::size_t i = 0; i < num_shown; ++i) {
    table.push_back(peer_row(*peers[i], rates.of(*peers[i]), now));
  }
  for (std::string& line : aligned(std::move(table), columns)) lines.push_back(std::move(line));
  if (num_shown < peers.size()) {
    lines.push_back(fmt::format("… and {} more", peers.size() - num_shown));
  }
  if (lines.size() > rows) lines.resize(rows);
  std::string text;
  for (const std::string& line : lines) text += fit(line, columns) + "\n";
  return text;
}

std::string render_top_help(std::size_t rows, std::size_t columns) {
  constexpr std::string_view kLines[] = {
      "hawser top",
      "",
      "  h, ?   this help; any key goes back",
      "  q      quit",
      "",
      "STATE      alive, dead: a controller, as it is watched",
      "           session: it answers; silent: it does not",
      "           -: no session",
      "RECEIVES   what comes from it now, SENDS what goes to it",
      "DROPS/s    its packets that were dropped, a second;",
      "           hawser status names the reasons",
      "HANDSHAKE  how long ago the last one was",
      "RECEIVED   in all, and SENT",
      "ENDPOINT   where it is",
      "",
      "A narrow screen shows the first columns only.",
  };
  std::string text;
  for (std::size_t i = 0; i < std::min(std::size(kLines), rows); ++i) {
    text += fit(kLines[i], columns) + "\n";
  }
  return text;
}

}  // namespace hawser
