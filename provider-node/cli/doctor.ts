// `souk-node doctor`: looks at everything a node needs, and says for each what is there or how to mend it. Reads and tries, changes nothing.
import { totalmem } from 'node:os'
import { statfs } from 'node:fs/promises'
import { homeFolder } from '../config.ts'
import type { Surroundings } from '../doctor/facts.ts'
import { CHECK_NAMES, runChecks, type CheckName, type Told } from '../doctor/run-checks.ts'
import { OperatorError, usageError } from '../operator-error.ts'
import type { Command } from './commands.ts'
import { COLUMNS, JSON_OPTION, SHARED_OPTIONS, wrap, type ParsedOptions, type Terminal } from './options.ts'

export const doctorCommand: Command = {
  spec: {
    name: 'doctor',
    details: [
      'Looks at this machine, the state folder, config.json, the keys, the clock, the gateway, the link, ports, models, servers behind the node and waiting receipts.',
      'Changes nothing; a running node is not disturbed. Takes half a minute at most. Exit code 1 when something is wrong.',
    ],
    options: {
      ...SHARED_OPTIONS,
      check: {
        type: 'string',
        multiple: true,
        value: 'NAME',
        help: `only this one; may be repeated: ${CHECK_NAMES.join(', ')}`,
      },
      deep: { type: 'boolean', help: 'also hash every file of the models, which takes as long as reading them' },
      ...JSON_OPTION,
    },
  },
  run: (options, terminal) => runDoctor(options, terminal),
}

/** @throws OperatorError when something is wrong */
export async function runDoctor(
  options: ParsedOptions,
  { print, env }: Terminal,
  given: Partial<Surroundings> = {},
): Promise<void> {
  const wanted = wantedChecks(options.all('check'))
  const surroundings: Surroundings = {
    home: homeFolder(options.text('home'), env),
    env,
    now: Date.now,
    platform: process.platform,
    nodeVersion: process.version,
    memoryBytes: totalmem(),
    freeBytes: async (folder) => {
      const { bavail, bsize } = await statfs(folder)
      return bavail * bsize
    },
    isDeep: options.flag('deep'),
    fetch,
    ...given,
  }
  const told = await runChecks(surroundings, wanted)
  const broken = told.filter(({ verdict }) => verdict === 'wrong').length
  if (options.flag('json')) print(JSON.stringify({ ok: broken === 0, findings: told }))
  else for (const line of told.flatMap(shown)) print(line)
  if (broken > 0) throw new OperatorError(broken === 1 ? 'one thing is wrong' : `${broken} things are wrong`)
  if (!options.flag('json')) print('\nNothing is wrong.')
}

function wantedChecks(named: readonly string[]): readonly CheckName[] {
  if (named.length === 0) return CHECK_NAMES
  return named.map((name) => {
    const check = CHECK_NAMES.find((known) => known === name)
    if (check === undefined) throw usageError(`there is no check "${name}": there are ${CHECK_NAMES.join(', ')}`)
    return check
  })
}

const LABELS = { ok: 'ok', note: 'note', wrong: 'WRONG', skipped: '-' } as const
const INDENT = 21

/** @example ok     gateway       https://gateway.example answers in 31 ms */
function shown({ check, verdict, says, mend }: Told): string[] {
  const head = `${LABELS[verdict].padEnd(7)}${check.padEnd(INDENT - 7)}`
  const [first = '', ...rest] = wrap(says, COLUMNS - INDENT)
  const how = mend === null ? [] : wrap(`-> ${mend}`, COLUMNS - INDENT)
  return [head + first, ...[...rest, ...how].map((line) => ' '.repeat(INDENT) + line)]
}
