#include "network/name_rules.h"

#include <algorithm>

namespace hawser {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::string over_limit(std::string_view name, std::size_t limit) {
  return "has " + std::to_string(name.size()) + " characters, the limit is " +
         std::to_string(limit);
}

std::string labels_fault(std::string_view name) {
  if (name.empty()) return "is empty";
  std::size_t start = 0;
  while (start <= name.size()) {
    const std::size_t dot = std::min(name.find('.', start), name.size());
    const std::string_view label = name.substr(start, dot - start);
    if (label.empty()) return "has an empty part between its dots";
    if (label.size() > kMaxHostNameLen) return over_limit(label, kMaxHostNameLen);
    if (label.front() == '-' || label.back() == '-') return "starts or ends with \"-\"";
    for (const char c : label) {
      if (!is_alphanumeric(c) && c != '_' && c != '-') {
        return "may hold only letters, digits, \"-\", \"_\" and dots between its parts";
      }
    }
    start = dot + 1;
  }
  return {};
}

}  // namespace

std::string interface_name_fault(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > kMaxInterfaceNameLen) return over_limit(name, kMaxInterfaceNameLen);
  if (name == "." || name == "..") return "is not a name";
  for (const char c : name) {
    if (!is_alphanumeric(c) && std::string_view("_=+.-").find(c) == std::string_view::npos) {
      return "may hold only letters, digits and _ = + . -";
    }
  }
  return {};
}

std::string host_name_fault(std::string_view name) {
  if (name.size() > kMaxHostNameLen) return over_limit(name, kMaxHostNameLen);
  return labels_fault(name);
}

std::string domain_name_fault(std::string_view name) {
  if (name.size() > kMaxDomainNameLen) return over_limit(name, kMaxDomainNameLen);
  return labels_fault(name);
}

std::string lower_case(std::string_view name) {
  std::string text(name);
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace hawser
