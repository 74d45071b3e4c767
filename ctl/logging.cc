#include "ctl/logging.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <syslog.h>

#include <mutex>
#include <utility>

#include "ctl/log_limiter.h"

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

}  // namespace

struct Logger::Impl {
  Impl(const DaemonOptions& options, Clock& given, std::optional<LogFile> file)
      : clock(given),
        ident(fmt::format("hawserd({})", options.interface)),
        to_stderr(std::make_shared<spdlog::sinks::stderr_sink_mt>()),
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

  Clock& clock;
  const std::string ident;  // syslog(3) keeps the pointer
  std::shared_ptr<spdlog::sinks::stderr_sink_mt> to_stderr;
  std::shared_ptr<spdlog::sinks::dist_sink_mt> sinks;
  spdlog::logger logger;
  std::mutex mutex;
  LogLimiter limiter;  // under mutex
};

Logger::Logger(const DaemonOptions& options, Clock& clock, std::optional<LogFile> file)
    : impl_(std::make_unique<Impl>(options, clock, std::move(file))) {}

Logger::~Logger() = default;

LogSink Logger::sink() {
  return [this](LogLevel level, const std::string& message) {
    if (!impl_->logger.should_log(to_spdlog(level))) return;
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
  impl_->logger.log(to_spdlog(level), "{}", one_line(message));
}

void Logger::leave_stderr() { impl_->sinks->remove_sink(impl_->to_stderr); }

}  // namespace hawser
