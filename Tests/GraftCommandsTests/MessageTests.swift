import GraftFiles
import TestSupport
import Testing

extension CommandsTests {
  /// The messages that people meet most, and their exit codes.
  @Suite struct MessageTests {
    @Test func messagesAreAsWritten() throws {
      let lines = [
        "nosuch", "infre photo.jpg", "infer", "infer nosuch.png", "infer nosuch.png --model nosuch",
        "infer nosuch.png --top-k 0", "infer nosuch.png --top-k x", "infer nosuch.png --resize abc",
        "infer nosuch.png --crop 0", "infer nosuch.png --preprocess imagenet",
        "infer nosuch.png --nosuch", "inspect", "inspect nosuch.onnx", "convert",
        "convert nosuch.onnx", "convert nosuch.onnx x.onnx", "run nosuch.onnx",
        "benchmark nosuch.onnx", "benchmark nosuch.onnx --batch 0", "evaluate",
        "evaluate cifar10 nosuch", "finetune", "finetune nosuch", "train nosuch",
        "finetune nosuch --epochs x", "finetune nosuch --epochs 1,2,3 --learning-rate 1,2",
        "finetune nosuch --learning-rate nan", "finetune nosuch --learning-rate -nan",
        "finetune nosuch --batch-size 0", "finetune nosuch --image-size 999999",
        "finetune nosuch --augment crop(-1)", "finetune nosuch --optimizer sgd(momentum=2)",
        "finetune nosuch --head gap,dense(x)", "finetune nosuch --class-weights cat",
        "finetune nosuch --export-type half", "finetune nosuch --split 50,60", "models path nosuch",
        "models path cifar10", "models pull vgg16", "models pull nosuch", "models remove vgg16",
        "models add vgg16 nosuch.h5", "cache nosuch",
      ]
      try Golden.expect(
        lines.map { CommandRun($0).transcript }.joined(separator: "\n"), in: "messages.txt")
    }

    @Test(
      arguments: [
        ("infer", 64), ("nosuch", 64), ("infer nosuch.png", 66), ("inspect nosuch.onnx", 66),
        ("models pull vgg16", 69), ("models list", 0), ("help", 0), ("help help", 0),
        ("help help help", 64), ("help nosuch", 64),
        ("infer nosuch.png --top-k 0", 64),
      ] as [(String, Int32)])
    func exitCodesTellWhatWentWrong(_ line: String, _ status: Int32) {
      let run = CommandRun(line)
      #expect(run.status == status)
      #expect(run.errors.isEmpty == (status == 0))
      #expect(run.output.isEmpty == (status != 0))
      if status != 0 { #expect(run.errors.hasPrefix("error: ")) }
    }

    @Test func damagedFilesAreBadData() throws {
      let folder = try TemporaryFolder()
      for name in ["a.onnx", "a.h5", "a.png"] {
        let path = try folder.write(name, text: "nonsense")
        let run = CommandRun([name == "a.png" ? "infer" : "inspect", path])
        #expect(run.status == GraftError.Code.badData.rawValue, "\(run.transcript)")
        #expect(run.errors.hasPrefix("error: \(path): "), "\(run.transcript)")
      }
    }

    /// Names with control characters cannot write to the terminal.
    @Test func namesAreWrittenOut() {
      let run = CommandRun(["infer", "a\u{1b}[31m\n.png"])
      #expect(run.status == 66)
      #expect(run.errors.hasPrefix(#"error: a\u001b[31m\n.png: "#), "\(run.errors)")
    }
  }
}
