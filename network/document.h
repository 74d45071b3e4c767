#pragma once
// A configuration document as a tree with line numbers, whatever format it came in. Internal to
// network/.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/problem.h"

namespace hawser::network_internal {

struct DocumentMember;

struct DocumentNode {
  enum class Kind : std::uint8_t { kTable, kArray, kString, kInteger, kOther };

  Kind kind = Kind::kOther;
  unsigned line = 0;                    // from 1
  std::string text;                     // kString
  std::int64_t integer = 0;             // kInteger
  std::vector<DocumentMember> members;  // kTable, in no particular order
  std::vector<DocumentNode> items;      // kArray
};

struct DocumentMember {
  std::string key;
  unsigned line = 0;  // of the key
  DocumentNode value;
};

// A network file nests three deep (sections, hosts, lists). What is deeper is kept as kOther.
inline constexpr unsigned kMaxDocumentDepth = 8;

// Each returns the root table, or nothing after a syntax error, which is added to `problems` with
// its line. So are keys that stand twice; of them the tree may hold both. The text need not be
// UTF-8 or end in a newline; any bytes are survived.
std::optional<DocumentNode> parse_toml_document(std::string_view text,
                                                std::vector<Problem>& problems);
std::optional<DocumentNode> parse_json_document(std::string_view text,
                                                std::vector<Problem>& problems);

}  // namespace hawser::network_internal
