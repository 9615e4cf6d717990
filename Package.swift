// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

let cSettings: [CSetting] = [
  .treatAllWarnings(as: .error)
]

/// A Swift target with the settings that all of them share.
func library(
  _ name: String, path: String? = nil, exclude: [String] = [],
  _ dependencies: [Target.Dependency] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies, path: path, exclude: exclude,
    swiftSettings: swiftSettings)
}

/// The module map of a library that the system brings, in `Sources/System`.
func systemLibrary(_ name: String, _ pkgConfig: String, package: String) -> Target {
  .systemLibrary(
    name: name, path: "Sources/System/\(name)", pkgConfig: pkgConfig,
    providers: [.apt([package])])
}

func tests(
  _ name: String, exclude: [String] = [], _ dependencies: [Target.Dependency]
) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, exclude: exclude, swiftSettings: swiftSettings)
}

/// Whether only those tests are built that `tools/test fuzz` runs under the address sanitizer.
let isForSanitizer = Context.environment["GRAFT_SANITIZER_TESTS"] != nil

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")

let package = Package(
  name: "Graft",
  products: [
    .library(name: "Graft", targets: ["Graft"]),
    .executable(name: "graft", targets: ["graft-command"]),
    .executable(name: "infer", targets: ["infer-command"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // System libraries
    systemLibrary("CHDF5", "hdf5-serial", package: "libhdf5-dev"),
    systemLibrary("CJPEG", "libjpeg", package: "libjpeg62-turbo-dev"),
    systemLibrary("CPNG", "libpng", package: "libpng-dev"),
    systemLibrary("CWebP", "libwebp", package: "libwebp-dev"),
    systemLibrary("CCurl", "libcurl", package: "libcurl4-openssl-dev"),
    systemLibrary("CZip", "libzip", package: "libzip-dev"),
    systemLibrary("CArchive", "libarchive", package: "libarchive-dev"),
    systemLibrary("CZlib", "zlib", package: "zlib1g-dev"),
    systemLibrary("CCrypto", "libcrypto", package: "libssl-dev"),

    // C
    .target(name: "CGraftKernels", cSettings: cSettings),
    .target(name: "CGraftMapping", cSettings: cSettings),
    .target(
      name: "CGraftShims", dependencies: ["CHDF5", "CJPEG", "CPNG", "CWebP", "CCurl", "CZlib"],
      cSettings: cSettings),

    // The engine
    library("GraftTensor", ["CGraftMapping"]),
    library("GraftGraph", ["GraftTensor"]),
    library("GraftExecution", ["GraftGraph", "CGraftKernels"]),
    library("GraftOperators", ["GraftExecution"]),
    library("GraftPasses", ["GraftOperators"]),
    library("GraftRuntime", ["GraftPasses"]),

    // What comes in and goes out
    library("GraftVision", ["GraftTensor", "CGraftShims"]),
    library("GraftData", ["GraftVision", "CArchive", "CZip"]),
    library("GraftONNX", path: "converters/ONNX", ["GraftOperators", protobuf]),
    library("GraftKeras", path: "converters/Keras", ["GraftOperators", "CGraftShims", "CZlib"]),
    library(
      "GraftModels", path: "models",
      exclude: [
        "cifar10-resnet9.md", "cifar10-resnet9.onnx", "imagenet-labels.txt",
        "imagenet-wordnet-ids.txt", "manifest.json",
      ],
      ["GraftOperators", "CGraftShims", "CCrypto"]),

    // What people use
    library("GraftTraining", ["GraftRuntime", "GraftData", yams]),
    library(
      "Graft",
      ["GraftTraining", "GraftONNX", "GraftKeras", "GraftModels", "GraftVision"]),
    library("GraftCommands", ["Graft", "CGraftMapping", argumentParser]),
    .executableTarget(
      name: "graft-command", dependencies: ["GraftCommands"], swiftSettings: swiftSettings),
    .executableTarget(
      name: "infer-command", dependencies: ["GraftCommands"], swiftSettings: swiftSettings),

    .executableTarget(
      name: "fine-tuning-example", dependencies: ["Graft"], path: "examples/FineTuning",
      swiftSettings: swiftSettings),

    // Tests
    tests("GraftTensorTests", ["GraftTensor"]),
    tests("GraftOperatorsTests", ["GraftOperators"]),
    tests("GraftKernelsTests", ["GraftOperators", "CGraftKernels"]),
    .target(
      name: "CAllocationCounter", path: "Tests/CAllocationCounter", cSettings: cSettings),
    tests("GraftRuntimeTests", ["GraftRuntime", "CAllocationCounter"]),
    tests("GraftONNXTests", ["GraftONNX"]),
    tests("GraftVisionTests", exclude: ["Fixtures", "make_fixtures.py"], ["GraftVision"]),
    library("DataFixtures", path: "Tests/DataFixtures", []),
    tests("GraftDataTests", ["GraftData", "DataFixtures"]),
    tests("GraftKerasTests", exclude: ["Fixtures"], ["GraftKeras", "DataFixtures"]),
    tests("GraftModelsTests", exclude: ["server.py"], ["GraftModels", "GraftKeras"]),
    tests(
      "GraftTrainingTests", exclude: ["Fixtures"],
      ["GraftTraining", "GraftRuntime", "GraftData", "CAllocationCounter"]),
    tests("GraftGradientTests", ["GraftRuntime", "GraftONNX", "GraftData"]),
    tests("GraftTests", exclude: ["Fixtures"], ["Graft"]),
    tests(
      "GraftFuzzTests",
      ["Graft", "GraftData", "GraftONNX", "GraftRuntime", "DataFixtures", protobuf]),
  ],
  cLanguageStandard: .c11
)

if isForSanitizer {
  let others: Set = [
    "GraftTensorTests", "GraftRuntimeTests", "GraftModelsTests", "GraftTrainingTests",
    "GraftGradientTests", "GraftTests",
  ]
  package.targets.removeAll { others.contains($0.name) }
}
