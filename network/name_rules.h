#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace hawser {

// IFNAMSIZ less the terminator.
inline constexpr std::size_t kMaxInterfaceNameLen = 15;
// A DNS label and a DNS name in text (RFC 1035 §2.3.4).
inline constexpr std::size_t kMaxHostNameLen = 63;
inline constexpr std::size_t kMaxDomainNameLen = 253;

// Each says what is wrong with a name, for a message, or nothing when it is right.
//
// Interface: 1 … 15 of the characters that wg-quick takes, A-Z a-z 0-9 _ = + . -, not "." or "..".
std::string interface_name_fault(std::string_view name);
// Host: one or more labels of A-Z a-z 0-9 _ -, not starting or ending with '-'; it goes into
// /etc/hosts and into other programs' configuration files.
std::string host_name_fault(std::string_view name);
// Domain: labels as above, 253 characters in all.
std::string domain_name_fault(std::string_view name);

// As DNS compares names: A-Z are a-z.
std::string lower_case(std::string_view name);

}  // namespace hawser
