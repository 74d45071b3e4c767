#pragma once
#include <string>

#include "ctl/cli_arguments.h"
#include "ctl/probe_log.h"

namespace hawser {

// `hawser probe golden` and `hawser probe loop`: runs until the last probe was answered or given
// up, or Ctrl-C; prints as it goes and returns the exit code.
//
// golden fails unless every probe came back; loop fails when none did, or when there was a longer
// gap than --max-gap.
int run_probe(const CliArguments& arguments);

// The last lines of a run, and whether it succeeded. Pure.
struct ProbeVerdict {
  std::string text;
  bool success = false;
};
ProbeVerdict judge_probes(const CliArguments& arguments, const ProbeLog& log, bool was_interrupted);

}  // namespace hawser
