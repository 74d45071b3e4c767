#include <nlohmann/json.hpp>

#include <cstddef>
#include <iterator>
#include <limits>
#include <unordered_set>
#include <utility>

#include "network/document.h"

namespace hawser::network_internal {
namespace {

using Json = nlohmann::json;

// An iterator that counts the lines it has passed: the parser's events carry no positions.
class LineCountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  LineCountingIterator(const char* at, unsigned* line) : at_(at), line_(line) {}
  reference operator*() const { return *at_; }
  LineCountingIterator& operator++() {
    if (*at_ == '\n') ++*line_;
    ++at_;
    return *this;
  }
  LineCountingIterator operator++(int) {
    const LineCountingIterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const LineCountingIterator& a, const LineCountingIterator& b) {
    return a.at_ == b.at_;
  }
  friend bool operator!=(const LineCountingIterator& a, const LineCountingIterator& b) {
    return !(a == b);
  }

 private:
  const char* at_;
  unsigned* line_;
};

// Builds the tree from the parser's events, with its own stack: depth costs no call stack.
class TreeBuilder {
 public:
  TreeBuilder(const unsigned& line, std::vector<Problem>& problems)
      : line_(line), problems_(problems) {}

  DocumentNode take_root() { return std::move(root_); }

  // The events, with the names and types that nlohmann::json's SAX interface prescribes.
  bool null() { return add({}); }
  bool boolean(bool /*value*/) { return add({}); }
  bool number_integer(Json::number_integer_t value) { return add_integer(value); }
  bool number_unsigned(Json::number_unsigned_t value) {
    const bool fits = value <= std::uint64_t{std::numeric_limits<std::int64_t>::max()};
    return fits ? add_integer(static_cast<std::int64_t>(value)) : add({});
  }
  bool number_float(Json::number_float_t /*value*/, const Json::string_t& /*text*/) {
    return add({});
  }
  bool string(Json::string_t& value) {
    DocumentNode node;
    node.kind = DocumentNode::Kind::kString;
    node.text = std::move(value);
    return add(std::move(node));
  }
  bool binary(Json::binary_t& /*value*/) { return add({}); }
  bool start_object(std::size_t /*num_members*/) { return open(DocumentNode::Kind::kTable); }
  bool start_array(std::size_t /*num_items*/) { return open(DocumentNode::Kind::kArray); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(Json::string_t& value) {
    Frame& frame = frames_.back();
    frame.key_line = line_;
    if (!frame.keys.insert(value).second) {
      problems_.push_back({Severity::kError, line_, path() + value, "stands here a second time",
                           "keep one of the two"});
    }
    frame.key = std::move(value);
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error …"
    std::string message = error.what();
    const std::size_t bracket = message.find("] ");
    if (bracket != std::string::npos) message.erase(0, bracket + 2);
    problems_.push_back(
        {Severity::kError, line_, "",
         "is not JSON (byte " + std::to_string(position) + "): " + printable(message),
         "correct the line; what follows it was not read"});
    return false;
  }

 private:
  struct Frame {
    DocumentNode node;
    std::string key;
    unsigned key_line = 0;
    std::unordered_set<std::string> keys;
  };

  // What the parser quotes may hold anything.
  static std::string printable(const std::string& text) {
    std::string clean;
    for (const char c : text) clean += c >= ' ' && c < 127 ? c : '?';
    return clean;
  }

  std::string path() const {
    std::string text;
    for (std::size_t i = 0; i + 1 < frames_.size(); ++i) text += frames_[i].key + '.';
    return text;
  }

  bool add_integer(std::int64_t value) {
    DocumentNode node;
    node.kind = DocumentNode::Kind::kInteger;
    node.integer = value;
    return add(std::move(node));
  }

  bool open(DocumentNode::Kind kind) {
    Frame frame;
    frame.node.kind = kind;
    frame.node.line = line_;
    frames_.push_back(std::move(frame));
    return true;
  }

  bool close() {
    DocumentNode node = std::move(frames_.back().node);
    frames_.pop_back();
    // Deeper than any network file: its kind is wrong wherever it stands.
    if (frames_.size() >= kMaxDocumentDepth) node = {};
    return add(std::move(node));
  }

  bool add(DocumentNode node) {
    if (frames_.empty()) {
      root_ = std::move(node);
      return true;
    }
    Frame& parent = frames_.back();
    if (parent.node.kind == DocumentNode::Kind::kTable) {
      // A number ends where the next character is not part of it, perhaps on the next line.
      if (node.line == 0) node.line = parent.key_line;
      parent.node.members.push_back({parent.key, parent.key_line, std::move(node)});
    } else {
      if (node.line == 0) node.line = line_;
      parent.node.items.push_back(std::move(node));
    }
    return true;
  }

  const unsigned& line_;
  std::vector<Problem>& problems_;
  std::vector<Frame> frames_;
  DocumentNode root_;
};

}  // namespace

std::optional<DocumentNode> parse_json_document(std::string_view text,
                                                std::vector<Problem>& problems) {
  unsigned line = 1;
  TreeBuilder builder(line, problems);
  const LineCountingIterator begin(text.data(), &line);
  const LineCountingIterator end(text.data() + text.size(), &line);
  if (!Json::sax_parse(begin, end, &builder)) return {};
  return builder.take_root();  // an object: the caller looked at the first character
}

}  // namespace hawser::network_internal
