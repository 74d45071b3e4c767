#pragma once
#include <functional>
#include <string>

#include "base/result.h"

namespace hawser::load {

// in_namespace runs `action` with the calling thread inside the network namespace `name` ("" is
// where we are). What it opens stays there; the thread is back afterwards. Needs root for a name.
Status in_namespace(const std::string& name, const std::function<Status()>& action);

}  // namespace hawser::load
