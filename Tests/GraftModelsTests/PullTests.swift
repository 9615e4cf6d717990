import Foundation
import GraftFiles
import GraftModels
import Synchronization
import TestSupport
import Testing

@Suite struct PullTests {
  static let server = Result { try TestServer() }

  let folder: TemporaryFolder
  let server: TestServer

  init() throws {
    folder = try TemporaryFolder()
    server = try Self.server.get()
  }

  func store(
    _ path: String, checksum: String = TestServer.checksum, size: Int? = TestServer.byteCount,
    isOffline: Bool = false, attemptCount: Int = 3
  ) -> ModelStore {
    var model = ModelManifest.Model(
      name: "net", summary: "a test", format: .onnx, file: "net.onnx",
      address: server.address(path), size: size, checksum: Checksum(checksum),
      licence: "CC0-1.0", preprocessing: "none", output: .logits)
    model.aliases = ["network"]
    var store = ModelStore(
      root: folder.path, manifest: ModelManifest(models: [model]), isOffline: isOffline)
    store.patience = Download.Patience(
      stallSeconds: 5, connectSeconds: 5, attemptCount: attemptCount, firstPauseMilliseconds: 1)
    return store
  }

  func error(of body: () throws -> some Any) -> GraftError? {
    do {
      _ = try body()
      return nil
    } catch {
      return error as? GraftError
    }
  }

  func expectWholeFile(_ path: String) throws {
    #expect(path == "\(folder.path)/models/net.onnx")
    #expect(try Checksum(.sha256, ofFile: path).description == TestServer.checksum)
    #expect(folder.files == ["models", "models/net.onnx"])
  }

  @Test func pullsAndReportsProgress() throws {
    let reports = Mutex<[DownloadProgress]>([])
    let path = try store("file").pull("network") { report in reports.withLock { $0.append(report) }
    }
    try expectWholeFile(path)
    #expect(try store("file").path(for: "net") == path)
    let last = try #require(reports.withLock { $0.last })
    #expect(last.receivedByteCount == TestServer.byteCount)
    #expect(last.totalByteCount == TestServer.byteCount)
    #expect(last.bytesPerSecond > 0 && last.secondsLeft == 0)
    // The second time nothing is fetched: this address would fail.
    #expect(try store("nothing").pull("net") == path)
  }

  @Test func followsRedirectsToHTTPOnly() throws {
    let failure = try #require(error { try store("elsewhere").pull("net") })
    #expect(failure.code == .unavailable)
    try expectWholeFile(store("redirect").pull("net"))
  }

  @Test func resumesWithinOnePull() throws {
    // Each answer ends after 120,000 bytes: the third one is whole.
    try expectWholeFile(store("cut/120000").pull("net"))
  }

  @Test func resumesWhatAnEarlierPullLeft() throws {
    let failure = try #require(error { try store("cut/50000", attemptCount: 1).pull("net") })
    #expect(failure.code == .temporary)
    #expect(failure.description.contains("50000 bytes"))
    #expect(folder.files.contains("models/net.onnx.part"))
    try expectWholeFile(store("file?resumed").pull("net"))
    #expect(try server.requests.contains("/file?resumed bytes=50000-"))
  }

  @Test func startsOverWhereTheServerCannotResume() throws {
    _ = error { try store("cut/50000?a", attemptCount: 1).pull("net") }
    try expectWholeFile(store("no-range").pull("net"))
  }

  @Test func startsOverWhereTheFileHasChanged() throws {
    let partial = "models/net.onnx.part"
    try FileManager.default.createDirectory(
      atPath: "\(folder.path)/models", withIntermediateDirectories: true)
    _ = try folder.write(partial, text: String(repeating: "x", count: 70_000))
    _ = try folder.write("\(partial).version", text: "\"v0\"")
    try expectWholeFile(store("new-version").pull("net"))
  }

  @Test func removesAFileWithAWrongChecksum() throws {
    let wrong = "md5:" + String(repeating: "0", count: 32)
    let failure = try #require(error { try store("file", checksum: wrong).pull("net") })
    #expect(failure.code == .badData)
    #expect(failure.description.contains(wrong))
    #expect(failure.description.contains("was removed"))
    #expect(folder.files == ["models"])
  }

  @Test func refusesAnotherSizeBeforeFetching() throws {
    let failure = try #require(error { try store("short").pull("net") })
    #expect(failure.code == .badData)
    #expect(failure.description.contains("1000"))
    #expect(failure.description.contains("300000"))
  }

  @Test func saysWhatTheServerAnswers() throws {
    let failure = try #require(error { try store("nothing").pull("net") })
    #expect(failure.code == .unavailable)
    #expect(failure.description.contains("404"))
    #expect(failure.description.contains("/nothing"))
    #expect(folder.files == ["models"])
  }

  @Test func triesAgainWhenTheServerIsBusy() throws {
    try expectWholeFile(store("busy").pull("net"))
  }

  @Test func saysThatNobodyAnswers() throws {
    var store = store("file")
    let manifest = ModelManifest(
      models: store.manifest.models.map { model in
        var model = model
        model.address = "http://127.0.0.1:1/file"
        return model
      })
    store = ModelStore(root: folder.path, manifest: manifest)
    store.patience = Download.Patience(attemptCount: 2, firstPauseMilliseconds: 1)
    let failure = try #require(error { try store.pull("net") })
    #expect(failure.code == .temporary)
  }

  @Test func keepsOffTheNetworkWhenOffline() throws {
    let failure = try #require(error { try store("offline", isOffline: true).pull("net") })
    #expect(failure.code == .unavailable)
    for part in [
      "net.onnx", "300000 bytes", TestServer.checksum, "/offline", "GRAFT_OFFLINE forbids",
      "GRAFT_OFFLINE=0 graft models pull net",
      "\(folder.path)/models/net.onnx",
    ] {
      #expect(failure.description.contains(part), "\(part)")
    }
    #expect(try !server.requests.contains("/offline"))
  }

  @Test func pullsWithoutAChecksumOrASize() throws {
    try expectWholeFile(store("file", checksum: "none", size: nil).pull("net"))
  }
}
