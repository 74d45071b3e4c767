#pragma once
#include <libmnl/libmnl.h>

#include <cstdint>
#include <string_view>

namespace hawser {

// Calls visit(const nlattr&) for each attribute behind the `header_len` bytes that the message's
// kind begins with. (libmnl's own macro for this is C.)
template <class Visit>
void for_each_attribute(const nlmsghdr& message, std::size_t header_len, const Visit& visit) {
  const char* const end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(&message));
  const void* place = mnl_nlmsg_get_payload_offset(&message, header_len);
  while (true) {
    const auto* const attribute = static_cast<const nlattr*>(place);
    const auto left = static_cast<int>(end - static_cast<const char*>(place));
    if (!mnl_attr_ok(attribute, left)) return;
    visit(*attribute);
    place = mnl_attr_next(attribute);
  }
}

// 0 for an attribute that is no 32-bit number.
inline std::uint32_t attribute_u32(const nlattr& attribute) {
  return mnl_attr_get_payload_len(&attribute) == sizeof(std::uint32_t)
             ? mnl_attr_get_u32(&attribute)
             : 0;
}

// Of a string attribute, with or without the zero at its end.
inline std::string_view attribute_text(const nlattr& attribute) {
  const std::string_view text(static_cast<const char*>(mnl_attr_get_payload(&attribute)),
                              mnl_attr_get_payload_len(&attribute));
  return text.substr(0, text.find('\0'));
}

}  // namespace hawser
