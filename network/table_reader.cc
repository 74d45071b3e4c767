#include "network/table_reader.h"

#include <algorithm>
#include <utility>

#include "network/nearest_name.h"

namespace hawser::network_internal {

TableReader::TableReader(const DocumentNode& table, std::string path,
                         std::vector<Problem>& problems)
    : table_(table), path_(std::move(path)), problems_(problems) {}

const DocumentMember* TableReader::find(std::string_view key) const {
  const auto found = std::find_if(table_.members.begin(), table_.members.end(),
                                  [&](const DocumentMember& member) { return member.key == key; });
  return found == table_.members.end() ? nullptr : &*found;
}

const DocumentMember* TableReader::ask(std::string_view key) {
  asked_.push_back(key);
  return find(key);
}

bool TableReader::has(std::string_view key) const { return find(key) != nullptr; }

unsigned TableReader::line_of(std::string_view key) const {
  const DocumentMember* const member = find(key);
  return member == nullptr ? table_.line : member->line;
}

void TableReader::report(Severity severity, unsigned line, std::string_view key,
                         std::string message, std::string remedy) {
  std::string thing = path_;
  if (!key.empty()) thing += (thing.empty() ? "" : ".") + std::string(key);
  problems_.push_back({severity, line, std::move(thing), std::move(message), std::move(remedy)});
}

void TableReader::error(std::string_view key, std::string message, std::string remedy) {
  report(Severity::kError, line_of(key), key, std::move(message), std::move(remedy));
}

void TableReader::error_at(unsigned line, std::string_view key, std::string message,
                           std::string remedy) {
  report(Severity::kError, line, key, std::move(message), std::move(remedy));
}

void TableReader::warning(std::string_view key, std::string message, std::string remedy) {
  report(Severity::kWarning, line_of(key), key, std::move(message), std::move(remedy));
}

void TableReader::warning_at(unsigned line, std::string_view key, std::string message,
                             std::string remedy) {
  report(Severity::kWarning, line, key, std::move(message), std::move(remedy));
}

std::optional<LinedString> TableReader::string(std::string_view key) {
  const DocumentMember* const member = ask(key);
  if (member == nullptr) return {};
  if (member->value.kind != DocumentNode::Kind::kString) {
    error(key, "is not a string", "write it in quotes");
    return {};
  }
  return LinedString{member->value.text, member->line};
}

std::optional<std::int64_t> TableReader::integer(std::string_view key, std::int64_t least,
                                                 std::int64_t most) {
  const DocumentMember* const member = ask(key);
  if (member == nullptr) return {};
  const std::string range = "from " + std::to_string(least) + " to " + std::to_string(most);
  if (member->value.kind != DocumentNode::Kind::kInteger) {
    error(key, "is not a whole number", "write a number " + range + ", without quotes");
    return {};
  }
  if (member->value.integer < least || member->value.integer > most) {
    error(key, "is " + std::to_string(member->value.integer), "write a number " + range);
    return {};
  }
  return member->value.integer;
}

std::vector<LinedString> TableReader::strings(std::string_view key) {
  const DocumentMember* const member = ask(key);
  if (member == nullptr) return {};
  std::vector<LinedString> texts;
  const auto add = [&](const DocumentNode& item) {
    if (item.kind == DocumentNode::Kind::kString) {
      texts.push_back({item.text, item.line});
    } else {
      error_at(item.line, key, "holds something that is not a string", "write [\"…\", \"…\"]");
    }
  };
  if (member->value.kind == DocumentNode::Kind::kArray) {
    for (const DocumentNode& item : member->value.items) add(item);
  } else {
    error(key, "is not a list of strings", "write [\"…\"]");
  }
  return texts;
}

const DocumentNode* TableReader::table(std::string_view key) {
  const DocumentMember* const member = ask(key);
  if (member == nullptr) return nullptr;
  if (member->value.kind == DocumentNode::Kind::kTable) return &member->value;
  error(key, "is not a section",
        "write [" + std::string(key) + "] or [" + std::string(key) + ".NAME], and its keys below");
  return nullptr;
}

void TableReader::refuse(std::string_view key, std::string message, std::string remedy) {
  refused_.push_back(key);
  if (has(key)) error(key, std::move(message), std::move(remedy));
}

void TableReader::finish() {
  for (const DocumentMember& member : table_.members) {
    const auto is_key = [&](std::string_view key) { return key == member.key; };
    if (std::any_of(asked_.begin(), asked_.end(), is_key)) continue;
    if (std::any_of(refused_.begin(), refused_.end(), is_key)) continue;
    report(Severity::kError, member.line, member.key, "is not a key that is known here",
           suggest_name(member.key, asked_));
  }
}

}  // namespace hawser::network_internal
