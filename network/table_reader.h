#pragma once
// Typed reading of one table of a document. Internal to network/.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/document.h"
#include "network/problem.h"

namespace hawser::network_internal {

struct LinedString {
  std::string text;
  unsigned line = 0;
};

// TableReader asks a table for its keys one by one and reports what is of the wrong type or out of
// range. It remembers what was asked for: finish() reports all other keys as unknown, with the
// nearest known one. A member function returns nothing both for "absent" and for "reported".
class TableReader {
 public:
  // All three outlive the reader. `path` is "peers.laptop1", empty for the root.
  TableReader(const DocumentNode& table, std::string path, std::vector<Problem>& problems);

  std::optional<LinedString> string(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most);
  std::vector<LinedString> strings(std::string_view key);
  const DocumentNode* table(std::string_view key);

  // A key that belongs elsewhere: an error, if it is there, that says why and what to do.
  void refuse(std::string_view key, std::string message, std::string remedy);
  void finish();

  bool has(std::string_view key) const;
  // The key's line; the table's own where the key is absent.
  unsigned line_of(std::string_view key) const;
  void error(std::string_view key, std::string message, std::string remedy);
  void error_at(unsigned line, std::string_view key, std::string message, std::string remedy);
  void warning(std::string_view key, std::string message, std::string remedy);
  void warning_at(unsigned line, std::string_view key, std::string message, std::string remedy);
  const std::string& path() const { return path_; }

 private:
  const DocumentMember* find(std::string_view key) const;
  const DocumentMember* ask(std::string_view key);
  void report(Severity severity, unsigned line, std::string_view key, std::string message,
              std::string remedy);

  const DocumentNode& table_;
  std::string path_;
  std::vector<Problem>& problems_;
  std::vector<std::string_view> asked_;
  std::vector<std::string_view> refused_;
};

}  // namespace hawser::network_internal
