/** A text as runs of who typed them. Values; offsets are UTF-16 code units. */

/** What stands from `from` up to `to` becomes `insert`. */
export interface Edit {
  readonly from: number
  readonly to: number
  readonly insert: string
}

export interface Run {
  /** Whoever typed it; null if that was before the recording. */
  readonly by: string | null
  readonly text: string
}

export type Runs = readonly Run[]

export function textOf(runs: Runs): string {
  return runs.map((run) => run.text).join('')
}

/**
 * The runs after edits of one person. All edits count in the text before, stand in order and do not overlap.
 * @throws RangeError if they do not fit the text.
 */
export function edited(runs: Runs, edits: readonly Edit[], by: string): Runs {
  const made: Run[] = []
  let [at, index, within] = [0, 0, 0]
  const walk = (end: number, keep: boolean) => {
    if (end < at) throw new RangeError('edits overlap')
    while (at < end) {
      const run = runs[index]
      if (run === undefined) throw new RangeError('an edit lies outside the text')
      const taken = Math.min(run.text.length - within, end - at)
      if (keep) push(made, taken === run.text.length ? run : { by: run.by, text: run.text.slice(within, within + taken) })
      at += taken
      within += taken
      if (within < run.text.length) continue
      index += 1
      within = 0
    }
  }
  for (const { from, to, insert } of edits) {
    walk(from, true)
    walk(to, false)
    if (insert !== '') push(made, { by, text: insert })
  }
  const rest = runs[index]
  if (rest !== undefined) push(made, within === 0 ? rest : { by: rest.by, text: rest.text.slice(within) })
  for (const run of runs.slice(index + 1)) push(made, run)
  return made
}

function push(runs: Run[], run: Run): void {
  const last = runs.at(-1)
  if (last !== undefined && last.by === run.by) runs[runs.length - 1] = { by: run.by, text: last.text + run.text }
  else runs.push(run)
}
