/**
 * For a module that startModule runs: takes its task, and ends the process with the one that gave it.
 * @template Task
 * @param {(task: Task) => void} start
 */
export function takeTask(start) {
  process.once('disconnect', () => process.exit());
  process.once('message', (task) => start(/** @type {any} */ (task)));
}
