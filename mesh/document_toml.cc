// The library asserts, and with NDEBUG lets the optimizer assume, things that depend on the file:
// "[[[" is enough (toml++ 3.3). Behind the assertion it reports a parse error as it should.
#undef NDEBUG
#define TOML_ASSERT(condition) static_cast<void>(0)
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "mesh/document.h"

static_assert(TOML_EXCEPTIONS == 0, "parse errors are returned here, never thrown");

namespace hawser::mesh_internal {
namespace {

DocumentNode convert(const toml::node& node, unsigned depth);

DocumentNode convert_table(const toml::table& table, unsigned depth) {
  DocumentNode converted;
  converted.kind = DocumentNode::Kind::kTable;
  for (const auto& [key, value] : table) {
    converted.members.push_back(
        {std::string(key.str()), unsigned{key.source().begin.line}, convert(value, depth + 1)});
  }
  return converted;
}

DocumentNode convert_array(const toml::array& array, unsigned depth) {
  DocumentNode converted;
  converted.kind = DocumentNode::Kind::kArray;
  for (const toml::node& item : array) converted.items.push_back(convert(item, depth + 1));
  return converted;
}

DocumentNode convert(const toml::node& node, unsigned depth) {
  DocumentNode converted;
  if (depth < kMaxDocumentDepth) {
    if (const toml::table* const table = node.as_table()) {
      converted = convert_table(*table, depth);
    } else if (const toml::array* const array = node.as_array()) {
      converted = convert_array(*array, depth);
    } else if (const auto* const text = node.as_string()) {
      converted.kind = DocumentNode::Kind::kString;
      converted.text = text->get();
    } else if (const auto* const integer = node.as_integer()) {
      converted.kind = DocumentNode::Kind::kInteger;
      converted.integer = integer->get();
    }
  }
  converted.line = node.source().begin.line;
  return converted;
}

}  // namespace

std::optional<DocumentNode> parse_toml_document(std::string_view text,
                                                std::vector<Problem>& problems) {
  const toml::parse_result parsed = toml::parse(text);
  if (parsed.failed()) {
    const toml::parse_error& error = parsed.error();
    problems.push_back({Severity::kError, unsigned{error.source().begin.line}, "",
                        "is not TOML: " + std::string(error.description()),
                        "correct the line; what follows it was not read"});
    return {};
  }
  return convert(parsed.table(), 0);
}

}  // namespace hawser::mesh_internal
