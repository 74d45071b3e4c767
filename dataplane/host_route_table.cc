#include "dataplane/host_route_table.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace hawser {
namespace {

using Mark = HostRouteTable::Mark;

Mark route_mark{.route = true};
Mark address_mark{.own_address = true};
Mark both_mark{.own_address = true, .route = true};

Mark* shared_mark(const Mark& mark) {
  if (mark.own_address && mark.route) return &both_mark;
  if (mark.own_address) return &address_mark;
  return mark.route ? &route_mark : nullptr;
}

std::vector<Prefix> sorted(std::vector<Prefix> prefixes) {
  std::sort(prefixes.begin(), prefixes.end());
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
  return prefixes;
}

void add_prefixes(std::vector<Prefix>& to, const std::vector<IpAddress>& addresses) {
  for (const IpAddress& address : addresses) to.emplace_back(address, address.bits());
}

// What `from` has and `other` has not.
std::vector<Prefix> difference(const std::vector<Prefix>& from, const std::vector<Prefix>& other) {
  std::vector<Prefix> result;
  std::set_difference(from.begin(), from.end(), other.begin(), other.end(),
                      std::back_inserter(result));
  return result;
}

// Edits one of the tables, and counts what it changes.
class Writer {
 public:
  explicit Writer(PrefixMap<Mark>& table) : edit_(table) {}
  void set(const std::vector<Prefix>& prefixes, bool Mark::*flag, bool value) {
    for (const Prefix& prefix : prefixes) set(prefix, flag, value);
  }
  // Makes `present` what `wanted` is.
  void exchange(std::vector<Prefix>& present, std::vector<Prefix> wanted, bool Mark::*flag) {
    set(difference(present, wanted), flag, false);
    set(difference(wanted, present), flag, true);
    present = std::move(wanted);
  }
  std::size_t commit() {
    if (num_ > 0) edit_.commit();
    return num_;
  }

 private:
  void set(const Prefix& prefix, bool Mark::*flag, bool value) {
    const Mark* const present = edit_.get(prefix);
    Mark mark = present != nullptr ? *present : Mark{};
    if (mark.*flag == value) return;
    mark.*flag = value;
    ++num_;
    if (Mark* const shared = shared_mark(mark)) {
      edit_.insert(prefix, shared);
    } else {
      edit_.remove(prefix);
    }
  }

  PrefixMap<Mark>::Edit edit_;
  std::size_t num_ = 0;
};

}  // namespace

std::size_t HostRouteTable::set(const HostRoutes& told, const std::vector<IpAddress>& given) {
  Prefixes own;
  add_prefixes(own, told.own_addresses);
  add_prefixes(own, given);
  own = sorted(std::move(own));
  Prefixes outer;
  if (told.outer_addresses) add_prefixes(outer, *told.outer_addresses);
  outer = told.outer_addresses ? sorted(std::move(outer)) : own;

  const Lock lock(mutex_);
  Prefixes came;
  Prefixes gone;
  if (!told.is_change) compare_routes(sorted(told.routes), came, gone);
  Writer table(table_);
  table.set(told.is_change ? told.gone_routes : gone, &Mark::route, false);
  table.set(told.is_change ? told.routes : came, &Mark::route, true);
  table.exchange(own_addresses_, std::move(own), &Mark::own_address);
  Writer outer_table(outer_);
  outer_table.exchange(outer_addresses_, std::move(outer), &Mark::own_address);
  outer_table.commit();
  return table.commit();
}

void HostRouteTable::compare_routes(const Prefixes& all, Prefixes& came, Prefixes& gone) const {
  Prefixes present;
  table_.for_each([&](const Prefix& prefix, const Mark* mark) {
    if (mark->route) present.push_back(prefix);
  });
  present = sorted(std::move(present));
  came = difference(all, present);
  gone = difference(present, all);
}

}  // namespace hawser
