package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
)

// resultsVariable names the folder of a run: a line of results.jsonl a test as soon as it ends, a log a failed test.
const resultsVariable = "CONFORMANCE_RESULTS"

// result is how one test ended. Time is in seconds.
type result struct {
	Name    string  `json:"name"`
	State   string  `json:"state"`
	Seconds float64 `json:"seconds"`
	Message string  `json:"message,omitempty"`
	Where   string  `json:"where,omitempty"`
	Log     string  `json:"log,omitempty"`
}

// reportResults registers the reporter. It must come after flags are read: the framework previews all tests then, and what
// was registered before would report the preview and nothing else.
func reportResults() bool {
	return ginkgo.ReportAfterEach(writeResult)
}

func writeResult(report ginkgo.SpecReport) {
	folder := os.Getenv(resultsVariable)
	deselected := report.State.Is(types.SpecStateSkipped|types.SpecStatePending) && report.Failure.IsZero()
	if folder == "" || deselected {
		return
	}
	ended := result{
		Name:    report.FullText(),
		State:   report.State.String(),
		Seconds: report.RunTime.Seconds(),
		Message: report.Failure.Message,
	}
	if report.Failed() {
		ended.Where = report.Failure.Location.String()
		ended.Log = fmt.Sprintf("%d-%d.log", report.ParallelProcess, report.StartTime.UnixMilli())
		text := report.FullText() + "\n" + report.CapturedGinkgoWriterOutput + report.CapturedStdOutErr + report.Failure.Message + "\n"
		if err := os.WriteFile(filepath.Join(folder, ended.Log), []byte(text), 0o644); err != nil {
			ginkgo.Fail(err.Error())
		}
	}
	if err := appendLine(filepath.Join(folder, "results.jsonl"), ended); err != nil {
		ginkgo.Fail(err.Error())
	}
}

// appendLine adds one line in one write, since several processes do so.
func appendLine(path string, ended result) error {
	line, err := json.Marshal(ended)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.Write(append(line, '\n'))
	return err
}
