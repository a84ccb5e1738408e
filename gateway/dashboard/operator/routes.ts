// The pages of `operator` and their addresses; each is fetched when it is first opened.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { root } from '../root-route.tsx'
import { rangeSearch, type RangeSearch } from '../ui/range.ts'

export const NODE_TABS = ['glance', 'offers', 'health', 'earnings', 'audits', 'sanctions', 'keys'] as const
export type NodeTab = (typeof NODE_TABS)[number]

/** What an address says that it should not is taken as absent. */
function nodeSearch(search: Record<string, unknown>): RangeSearch & { view?: NodeTab } {
  const view = NODE_TABS.find((name) => name === search.view)
  return { ...rangeSearch(search), ...(view === undefined ? {} : { view }) }
}

const getParentRoute = () => root

export const operatorRoutes = [
  createRoute({
    getParentRoute,
    path: '/nodes',
    component: lazyRouteComponent(() => import('./nodes.tsx'), 'NodesPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/nodes/$nodeId',
    validateSearch: nodeSearch,
    component: lazyRouteComponent(() => import('./node.tsx'), 'NodePage'),
  }),
  createRoute({
    getParentRoute,
    path: '/earnings',
    validateSearch: rangeSearch,
    component: lazyRouteComponent(() => import('./earnings.tsx'), 'EarningsPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/serving',
    component: lazyRouteComponent(() => import('./serving.tsx'), 'ServingPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/register',
    component: lazyRouteComponent(() => import('./register.tsx'), 'RegisterPage'),
  }),
] as const
