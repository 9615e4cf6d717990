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
    name: name, dependencies: dependencies + ["TestSupport"], exclude: exclude,
    swiftSettings: swiftSettings)
}

/// The tests that `tools/test` runs under a sanitizer.
let sanitizerTests: [String: Set<String>] = [
  "address": [
    "GraftOperatorsTests", "GraftKernelsTests", "GraftONNXTests", "GraftVisionTests",
    "GraftDataTests", "GraftKerasTests", "GraftFuzzTests",
  ],
  "thread": ["GraftRuntimeTests", "GraftDataTests"],
]

/// The engine's modules, from the bottom up: each may use those before it.
func engine(below end: String? = nil) -> [Target.Dependency] {
  let modules = [
    "GraftFiles", "GraftTensor", "GraftGraph", "GraftExecution", "GraftOperators", "GraftPasses",
    "GraftRuntime",
  ]
  return modules.prefix { $0 != end }.map { .init(stringLiteral: $0) }
}

/// Modules outside the engine: images, data, formats, models, training.
let peripherals: [Target.Dependency] = [
  "GraftVision", "GraftData", "GraftONNX", "GraftKeras", "GraftModels", "GraftTraining",
]

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
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
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
  ],
  targets: [
    // System libraries
    systemLibrary("CHDF5", "hdf5-serial", package: "libhdf5-dev"),
    systemLibrary("CJPEG", "libjpeg", package: "libjpeg62-turbo-dev"),
    systemLibrary("CPNG", "libpng", package: "libpng-dev"),
    systemLibrary("CWebP", "libwebp", package: "libwebp-dev"),
    systemLibrary("CTIFF", "libtiff-4", package: "libtiff-dev"),
    systemLibrary("CJPEG2000", "libopenjp2", package: "libopenjp2-7-dev"),
    systemLibrary("CCurl", "libcurl", package: "libcurl4-openssl-dev"),
    systemLibrary("CYAML", "yaml-0.1", package: "libyaml-dev"),
    systemLibrary("CZip", "libzip", package: "libzip-dev"),
    systemLibrary("CArchive", "libarchive", package: "libarchive-dev"),
    systemLibrary("CZlib", "zlib", package: "zlib1g-dev"),
    systemLibrary("CCrypto", "libcrypto", package: "libssl-dev"),

    // C
    .target(name: "CGraftKernels", cSettings: cSettings),
    .target(name: "CGraftMapping", cSettings: cSettings),
    .target(
      name: "CGraftShims",
      dependencies: [
        "CHDF5", "CJPEG", "CJPEG2000", "CPNG", "CTIFF", "CWebP", "CCurl", "CZlib",
      ],
      cSettings: cSettings),

    // The engine
    library("GraftFiles", ["CGraftMapping", "CCrypto"]),
    library("GraftTensor", engine(below: "GraftTensor")),
    library("GraftGraph", engine(below: "GraftGraph")),
    library("GraftExecution", engine(below: "GraftExecution") + ["CGraftKernels"]),
    library("GraftOperators", engine(below: "GraftOperators") + ["CGraftKernels", "GraftVision"]),
    library("GraftPasses", engine(below: "GraftPasses")),
    library("GraftRuntime", engine(below: "GraftRuntime") + ["CGraftKernels"]),

    // Images, data and formats
    library("GraftVision", ["GraftFiles", "GraftTensor", "CGraftShims", "CWebP"]),
    library("GraftData", ["GraftFiles", "GraftTensor", "GraftVision", "CArchive", "CZip"]),
    library(
      "GraftONNX", path: "converters/ONNX", engine(below: "GraftPasses") + [protobuf]),
    library(
      "GraftKeras", path: "converters/Keras",
      engine(below: "GraftPasses") + ["CGraftShims", "CZlib"]),
    library(
      "GraftModels", path: "models",
      exclude: [
        "cifar10-resnet9.md", "cifar10-resnet9.onnx", "imagenet-labels.txt",
        "imagenet-wordnet-ids.txt", "manifest.json",
      ],
      engine(below: "GraftPasses") + ["CGraftShims"]),

    // Training, the library and the commands
    library("GraftTraining", engine() + ["GraftVision", "GraftData", "CYAML"]),
    library("Graft", engine() + peripherals),
    library(
      "GraftCommands",
      engine() + peripherals + ["Graft", "CGraftMapping", "CGraftShims", argumentParser]),
    .executableTarget(
      name: "graft-command", dependencies: ["GraftCommands"], swiftSettings: swiftSettings),
    .executableTarget(
      name: "infer-command", dependencies: ["GraftCommands"], swiftSettings: swiftSettings),

    .executableTarget(
      name: "fine-tuning-example", dependencies: ["Graft"], path: "examples/FineTuning",
      swiftSettings: swiftSettings),

    // Tests
    tests("GraftFilesTests", ["GraftFiles"]),
    tests("GraftTensorTests", ["GraftTensor"]),
    tests("GraftOperatorsTests", engine(below: "GraftPasses")),
    tests("GraftKernelsTests", engine(below: "GraftPasses") + ["CGraftKernels"]),
    .target(name: "CTestSupport", path: "Tests/CTestSupport", cSettings: cSettings),
    library(
      "TestSupport", path: "Tests/TestSupport", ["GraftFiles", "GraftTensor", "CTestSupport"]),
    tests("GraftRuntimeTests", engine() + ["CTestSupport"]),
    tests("GraftONNXTests", engine(below: "GraftPasses") + ["GraftONNX"]),
    tests(
      "GraftVisionTests", exclude: ["Fixtures"],
      ["GraftFiles", "GraftTensor", "GraftVision"]),
    tests(
      "GraftDataTests",
      ["GraftFiles", "GraftTensor", "GraftVision", "GraftData"]),
    tests(
      "GraftKerasTests", exclude: ["Fixtures"],
      engine(below: "GraftPasses") + ["GraftKeras"]),
    tests(
      "GraftModelsTests", exclude: ["server.py"],
      engine(below: "GraftPasses") + ["GraftModels", "GraftKeras"]),
    tests(
      "GraftTrainingTests", exclude: ["Fixtures"],
      engine() + ["GraftVision", "GraftData", "GraftTraining", "CTestSupport"]),
    tests("GraftGradientTests", engine() + ["GraftONNX", "GraftVision", "GraftData"]),
    tests("GraftTests", exclude: ["Fixtures"], engine() + peripherals + ["Graft"]),
    tests(
      "GraftCommandsTests", exclude: ["Golden"],
      engine() + peripherals + ["GraftCommands", argumentParser]),
    tests("GraftFuzzTests", engine() + peripherals + ["Graft", protobuf]),
  ],
  cLanguageStandard: .c11
)

// No other tests are built then.
if let sanitizer = Context.environment["GRAFT_SANITIZER_TESTS"] {
  guard let tests = sanitizerTests[sanitizer] else {
    fatalError("GRAFT_SANITIZER_TESTS is '\(sanitizer)': use address or thread")
  }
  package.targets.removeAll { $0.type == .test && !tests.contains($0.name) }
}
