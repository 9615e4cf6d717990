#include "graft_shims.h"
