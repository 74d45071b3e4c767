#include "ctl/logging.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/syslog_sink.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <string_view>
#include <utility>

#include "ctl/log_limiter.h"
#include "ctl/log_writer.h"

namespace hawser {

namespace {

spdlog::level::level_enum threshold(Verbosity verbosity) {
  switch (verbosity) {
    case Verbosity::kSilent:
      return spdlog::level::off;
    case Verbosity::kError:
      return spdlog::level::err;
    case Verbosity::kInfo:
      return spdlog::level::info;
    case Verbosity::kDebug:
      return spdlog::level::debug;
  }
  return spdlog::level::info;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kDebug:
      return spdlog::level::debug;
  }
  return spdlog::level::err;
}

std::string one_line(std::string message) {
  for (char& c : message) {
    if ((c >= 0 && c < ' ') || c == '\x7f') c = ' ';
  }
  return message;
}

// By write(2): a thread that is stuck there holds no lock of stdio's, for which exit(3) would wait.
class StderrSink : public spdlog::sinks::base_sink<std::mutex> {
 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    std::string_view left(line.data(), line.size());
    while (!left.empty()) {
      const ssize_t put = ::write(STDERR_FILENO, left.data(), left.size());
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) return;  // nowhere else to say so
      left.remove_prefix(static_cast<std::size_t>(put));
    }
  }
  void flush_() override {}
};

class LogFileSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit LogFileSink(LogFile file) : file_(std::move(file)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    file_.append({line.data(), line.size()});
  }
  void flush_() override {}

  LogFile file_;
};

// Where lines end up. The writer's thread owns it.
struct Output {
  Output(const DaemonOptions& options, std::optional<LogFile> file)
      : ident(fmt::format("hawserd({})", options.interface)),
        to_stderr(std::make_shared<StderrSink>()),
        sinks(std::make_shared<spdlog::sinks::dist_sink_mt>()),
        logger("hawserd", sinks) {
    const std::string pattern = fmt::format("%Y-%m-%d %H:%M:%S.%e %-7l ({}) %v", options.interface);
    to_stderr->set_pattern(pattern);
    if (!file || !options.foreground) sinks->add_sink(to_stderr);
    if (file) {
      sinks->add_sink(std::make_shared<LogFileSink>(std::move(*file)));
      sinks->sinks().back()->set_pattern(pattern);
    } else if (!options.foreground) {
      constexpr bool kFormatted = false;
      sinks->add_sink(
          std::make_shared<spdlog::sinks::syslog_sink_mt>(ident, LOG_PID, LOG_DAEMON, kFormatted));
    }
    logger.set_level(threshold(options.verbosity));
  }
  void write(const LogLine& line) {
    logger.log(line.said, spdlog::source_loc{}, to_spdlog(line.level), line.text);
  }

  const std::string ident;  // syslog(3) keeps the pointer
  std::shared_ptr<StderrSink> to_stderr;
  std::shared_ptr<spdlog::sinks::dist_sink_mt> sinks;
  spdlog::logger logger;
};

}  // namespace

struct Logger::Impl {
  Impl(const DaemonOptions& options, Clock& given, std::optional<LogFile> file)
      : clock(given),
        output(std::make_shared<Output>(options, std::move(file))),
        writer([to = output](const LogLine& line) { to->write(line); }) {}

  Clock& clock;
  std::shared_ptr<Output> output;
  std::mutex mutex;
  LogLimiter limiter;  // under mutex
  LogWriter writer;
};

Logger::Logger(const DaemonOptions& options, Clock& clock, std::optional<LogFile> file)
    : impl_(std::make_unique<Impl>(options, clock, std::move(file))) {}

Logger::~Logger() = default;

LogSink Logger::sink() {
  return [this](LogLevel level, const std::string& message) {
    if (!impl_->output->logger.should_log(to_spdlog(level))) return;
    std::optional<std::uint64_t> left_out;
    {
      const std::lock_guard lock(impl_->mutex);
      left_out = impl_->limiter.admit(message, impl_->clock.now().boot);
    }
    if (!left_out) return;
    say(level, *left_out == 0
                   ? message
                   : fmt::format("{} ({} more like this were left out)", message, *left_out));
  };
}

void Logger::say(LogLevel level, const std::string& message) {
  if (!impl_->output->logger.should_log(to_spdlog(level))) return;
  impl_->writer.add({level, std::chrono::system_clock::now(), one_line(message)});
}

bool Logger::flush() { return impl_->writer.flush(); }

// The sink stays where it is: to take it out, the writer's thread would have to be waited for.
void Logger::leave_stderr() {
  flush();
  impl_->output->to_stderr->set_level(spdlog::level::off);
}

}  // namespace hawser
