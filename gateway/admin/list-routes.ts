// `/api/admin/accounts`, `/nodes`, `/models`: what there is, page by page, and as a file for a spreadsheet. Reading only.
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { z } from 'zod'
import { csvOf } from '../../protocol/csv.ts'
import { NodeState } from '../../protocol/node.ts'
import {
  AdminListQuery,
  type AdminAccountPage,
  type AdminAccountRow,
  type AdminModelPage,
  type AdminModelRow,
  type AdminNodePage,
  type AdminNodeRow,
  type NodeCounts,
} from '../../protocol/metering.ts'
import { ModelState } from '../../protocol/publish.ts'
import { Continent } from '../../protocol/routing.ts'
import { LIMITS } from '../core/limits.ts'
import { PageQuery } from '../core/page.ts'
import type { AppEnv } from '../core/principal.ts'
import { queryString } from '../core/validate.ts'
import { createListBook, type AccountRow, type ModelRow, type NodeRow } from './list-book.ts'
import { createNodeCounts } from './node-count-book.ts'
import { pageOf, readTimedCursor, timedCursor, type Page } from './pages.ts'
import { admin } from './who.ts'

export interface ListRouteNeeds {
  /** the registry */
  readonly db: D1Database
}

const AccountQuery = PageQuery.extend(AdminListQuery.shape)
const NodeQuery = AccountQuery.extend({ state: z.enum([...NodeState.options, 'silent']).optional() })
const ModelQuery = AccountQuery.extend({ state: ModelState.optional() })
type Asked = z.output<typeof AccountQuery>

/** rows of a file, and read at a time for it */
const FILE_ROWS = 10_000
const FILE_READ_ROWS = 1_000

/** Mounted at /api. */
export function createListRoutes({ db }: ListRouteNeeds) {
  const book = createListBook(db)
  const countNodes = createNodeCounts(db)

  const accounts = async ({ q, cursor }: Asked, limit: number) =>
    q === undefined
      ? pageOf(await book.accounts(readTimedCursor(cursor), limit + 1), limit, accountView, timedCursor)
      : { data: (await book.findAccounts(q, limit)).map(accountView), nextCursor: null }
  const nodes = async ({ q, cursor, state }: z.output<typeof NodeQuery>, limit: number) =>
    q === undefined
      ? pageOf(await book.nodes(state, readTimedCursor(cursor), limit + 1), limit, nodeView, timedCursor)
      : { data: (await book.findNodes(q, state, limit)).map(nodeView), nextCursor: null }
  const models = async ({ q, cursor, state }: z.output<typeof ModelQuery>, limit: number) =>
    pageOf(await book.models(state, q, cursor ?? null, limit + 1), limit, modelView, ({ id }) => id)

  return new Hono<AppEnv>()
    .get('/admin/accounts', admin, queryString(AccountQuery), asFile('accounts', accounts), async (c) => {
      const asked = c.req.valid('query')
      return c.json((await accounts(asked, rowsOf(asked))) satisfies z.infer<typeof AdminAccountPage>)
    })
    .get('/admin/nodes', admin, queryString(NodeQuery), asFile('nodes', nodes), async (c) => {
      const asked = c.req.valid('query')
      return c.json((await nodes(asked, rowsOf(asked))) satisfies z.infer<typeof AdminNodePage>)
    })
    .get('/admin/nodes/count', admin, async (c) => c.json((await countNodes()) satisfies NodeCounts))
    .get('/admin/models', admin, queryString(ModelQuery), asFile('models', models), async (c) => {
      const asked = c.req.valid('query')
      return c.json((await models(asked, rowsOf(asked))) satisfies z.infer<typeof AdminModelPage>)
    })
}

const rowsOf = ({ limit = LIMITS.pageRows }: Asked): number => limit

type Cells = Readonly<Record<string, string | number | boolean | null | readonly string[]>>

/** Answers `format=csv` in the route's stead, so that the route has one shape for the typed client. */
function asFile<A extends Asked>(
  name: string,
  list: (asked: A, limit: number) => Promise<Page<Cells>>,
): MiddlewareHandler<AppEnv> {
  return async (c: Context<AppEnv>, next) => {
    // Hono knows a validated query by its route's own type; to what is written for every list it is this list's.
    const asked = c.req.valid('query' as never) as A
    if (asked.format !== 'csv') return next()
    const rows: Cells[] = []
    let cursor: string | null | undefined = asked.cursor
    do {
      const page: Page<Cells> = await list({ ...asked, cursor }, FILE_READ_ROWS)
      rows.push(...page.data)
      cursor = page.nextCursor
    } while (cursor !== null && rows.length < FILE_ROWS)
    return new Response(fileOf(rows), {
      headers: {
        'content-type': 'text/csv; charset=utf-8',
        'content-disposition': `attachment; filename="${name}.csv"`,
        'cache-control': 'no-store',
      },
    })
  }
}

function fileOf(rows: readonly Cells[]): string {
  const header = Object.keys(rows[0] ?? { id: '' })
  return csvOf(
    header,
    rows.map((row) => header.map((name) => cellOf(row[name]))),
  )
}

const cellOf = (cell: Cells[string] | undefined) =>
  cell === undefined || cell === null ? null : typeof cell === 'object' ? cell.join(' ') : cell

const iso = (at: number): string => new Date(at).toISOString()

const accountView = ({
  id,
  wallets,
  isOperator,
  isAuthor,
  createdAt,
}: AccountRow): z.infer<typeof AdminAccountRow> => ({
  accountId: id,
  wallets: [...wallets],
  isOperator,
  isAuthor,
  createdAt: iso(createdAt),
})

const nodeView = ({
  operatorAccountId,
  region,
  seenAt,
  createdAt,
  ...node
}: NodeRow): z.infer<typeof AdminNodeRow> => ({
  ...node,
  operator: operatorAccountId,
  region: Continent.safeParse(region).data ?? null,
  seenAt: seenAt === null ? null : iso(seenAt),
  createdAt: iso(createdAt),
})

const modelView = ({ authorAccountId, stateAt, createdAt, ...model }: ModelRow): z.infer<typeof AdminModelRow> => ({
  ...model,
  author: authorAccountId,
  stateAt: stateAt === null ? null : iso(stateAt),
  createdAt: iso(createdAt),
})
