#include "graft_embedded.h"

// #embed is newer than C11; clang accepts it in all modes.
#pragma clang diagnostic ignored "-Wc23-extensions"

const char graft_models_manifest[] = {
#embed "../../models/manifest.json"
};
const size_t graft_models_manifest_byte_count = sizeof graft_models_manifest;

const char graft_imagenet_labels[] = {
#embed "../../models/imagenet-labels.txt"
};
const size_t graft_imagenet_labels_byte_count = sizeof graft_imagenet_labels;
