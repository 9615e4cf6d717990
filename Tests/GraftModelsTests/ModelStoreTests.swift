import Foundation
import GraftFiles
import GraftModels
import TestSupport
import Testing

@Suite struct ModelStoreTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  var store: ModelStore { ModelStore(root: "\(folder.path)/store") }

  @Test func findsItsFolderInTheEnvironment() throws {
    func root(_ variables: [String: String]) throws -> String {
      try ModelStore.root { variables[$0] }
    }
    #expect(try root(["GRAFT_HOME": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"]) == "/a")
    #expect(try root(["XDG_CACHE_HOME": "/b", "HOME": "/c"]) == "/b/graft")
    #expect(try root(["XDG_CACHE_HOME": "relative", "HOME": "/c"]) == "/c/.cache/graft")
    #expect(try root(["HOME": "/c"]) == "/c/.cache/graft")
    expectError(.usage, "GRAFT_HOME") { try root([:]) }
  }

  @Test func isOfflineWhereTheEnvironmentSaysSo() throws {
    func isOffline(_ value: String?) throws -> Bool {
      try ModelStore.isOffline { $0 == "GRAFT_OFFLINE" ? value : nil }
    }
    for value in ["1", "true", "Yes", "ON"] { #expect(try isOffline(value), "\(value)") }
    for value in [nil, "", "0", "False", "no", "off"] { #expect(try !isOffline(value)) }
    for value in ["maybe", "2", "-1", " 1", "10", "y"] {
      expectError(.usage, "'\(value)'") { try isOffline(value) }
    }
  }

  @Test func saysAllOfWhatIsMissingAtOnce() throws {
    let error = #expect(throws: GraftError.self) { try store.path(for: "vgg16") }
    let text = try #require(error).description
    for part in [
      "vgg16_weights_tf_dim_ordering_tf_kernels.h5", "553467096 bytes",
      "md5:64373286793e3c8b2b4e3219cbf3544b", "https://storage.googleapis.com/tensorflow/",
      "graft models pull vgg16",
      "\(folder.path)/store/models/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
    ] {
      #expect(text.contains(part), "\(part)")
    }
  }

  @Test func takesAFileThatWasPutInPlace() throws {
    let path = try folder.write(
      "store/models/vgg16_weights_tf_dim_ordering_tf_kernels.h5", text: "weights")
    #expect(try store.path(for: "vgg16") == path)
    #expect(try store.entry(named: "vgg16").byteCount == 7)
    // Pulling looks at the checksum.
    let error = #expect(throws: GraftError.self) { try store.pull("vgg16") }
    #expect(try #require(error).description.contains("already exists"))
  }

  @Test func addsListsAndReplacesFiles() throws {
    let first = try store.add("mine", file: folder.write("mine.h5", text: "abc"))
    #expect(
      first.addedChecksum?.description
        == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(try String(contentsOfFile: store.path(for: "mine"), encoding: .utf8) == "abc")
    #expect(first.path.hasSuffix(".h5"))
    try store.add("mine", file: folder.write("other.onnx", text: "changed"))
    #expect(try String(contentsOfFile: store.path(for: "mine"), encoding: .utf8) == "changed")
    #expect(store.list().last?.name == "mine")
    #expect(folder.files.filter { $0.hasPrefix("store/models/") }.count == 2)
    expectError(.usage, "'../mine'") { try store.add("../mine", file: "\(folder.path)/mine.h5") }
    expectError(.usage, "'\(EmbeddedModel.name)'") {
      try store.add(EmbeddedModel.name, file: "\(folder.path)/mine.h5")
    }
    expectError(.noInput, "\(folder.path)/missing") {
      try store.add("mine", file: "\(folder.path)/missing")
    }
    expectError(.noInput, "regular file") { try store.add("mine", file: folder.path) }
  }

  @Test func anotherFileUnderAKnownNameIsDescribedByItself() throws {
    let entry = try store.add(
      "resnet50", file: folder.write("any.onnx", text: "abc"), metadata: ["key": "value"])
    #expect(entry.name == "resnet50" && entry.model == nil)
    #expect(entry.metadata == ["key": "value"])
    #expect(try store.path(for: "resnet50") == entry.path)
    #expect(try store.pull("resnet50") == entry.path)
    // The official model keeps its own name and description.
    #expect(try store.entry(named: "resnet50-v1-12").model?.preprocessing == "torch")
    #expect(try store.entry(named: "resnet50-v1-12").isPresent == false)
    let entries = store.list()
    #expect(entries.first { $0.name == "resnet50-v1-12" }?.aliases == [])
    #expect(entries.contains { $0.name == "resnet50" && $0.model == nil })
  }

  @Test func theOfficialFileKeepsItsDescription() throws {
    let path = try folder.write("any.onnx", text: "abc")
    var model = try #require(ModelManifest.builtIn.model(named: "resnet50"))
    model.size = 3
    model.checksum = try Checksum(.sha256, ofFile: path)
    let store = ModelStore(
      root: "\(folder.path)/store", manifest: ModelManifest(models: [model]))
    let entry = try store.add("resnet50", file: path)
    #expect(entry.name == "resnet50-v1-12" && entry.model?.preprocessing == "torch")
    #expect(try store.path(for: "resnet50") == entry.path)
    #expect(try store.pull("resnet50-v1-12") == entry.path)
  }

  @Test func anAddedFileThatChangedIsNotUsed() throws {
    let entry = try store.add("mine", file: folder.write("mine.onnx", text: "abc"))
    // A new time alone is not a change.
    utimes(entry.path, nil)
    #expect(try store.path(for: "mine") == entry.path)
    try Data("abd".utf8).write(to: URL(filePath: entry.path))
    expectError(.badData, "'mine'") { try store.path(for: "mine") }
    expectError(.badData, "'mine'") { try store.pull("mine") }
  }

  @Test func removesFiles() throws {
    let entry = try store.add("mine", file: folder.write("mine.onnx", text: "abc"))
    #expect(try store.remove("mine") == entry.path)
    #expect(folder.files.filter { $0.hasPrefix("store/models/") }.isEmpty)
    expectError(.noInput, "'mine'") { try store.remove("mine") }
    expectError(.noInput, "'vgg16'") { try store.remove("vgg16") }
  }

  @Test func refusesEmptyFiles() throws {
    expectError(.badData, "empty.onnx", "is empty") {
      try store.add("mine", file: folder.write("empty.onnx", text: ""))
    }
  }

  @Test(arguments: [("VGG17", "'vgg16'"), ("VGG16", "'vgg16'"), ("mobilenet", "'mobilenetv2'")])
  func suggestsANameForAnUnknownOne(name: String, suggestion: String) throws {
    let error = #expect(throws: GraftError.self) { try store.path(for: name) }
    #expect(try #require(error).description.contains(suggestion))
  }

  @Test func listsKnownNamesForAnUnknownOne() throws {
    let error = #expect(throws: GraftError.self) { try store.path(for: "something") }
    #expect(
      try #require(error).description.contains("There are cifar10, vgg16, vgg16-notop, vgg19"))
  }

  @Test func manifestIsComplete() throws {
    let manifest = ModelManifest.builtIn
    for name in [
      "vgg16", "vgg16-notop", "vgg19", "vgg19-notop", "vgg16-12", "squeezenet", "mobilenetv2",
      "resnet50",
    ] {
      let model = try #require(manifest.model(named: name))
      #expect(model.address.hasSuffix("/\(model.file)"))
      #expect(model.address.hasPrefix("https://"))
      #expect(model.checksum != nil && model.size != nil)
    }
    #expect(Set(manifest.models.map(\.file)).count == manifest.models.count)
    let labels = try ModelManifest.labels(named: "imagenet")
    #expect(labels.count == 1000)
    #expect(labels[0] == "tench" && labels[281] == "tabby" && labels[999] == "toilet_tissue")
  }

  @Test func checksumsMatchTheirDefinitions() throws {
    let path = try folder.write("empty", text: "")
    #expect(
      try Checksum(.md5, ofFile: path).description == "md5:d41d8cd98f00b204e9800998ecf8427e")
    #expect(Checksum("md5:abc") == nil && Checksum("sha1:00") == nil && Checksum("") == nil)
  }
}
