// The pages of `consumer` and their addresses; each is fetched when it is first opened.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { readSearch as readAlertsSearch } from '../alerts/search.ts'
import { readSearch as readBillingSearch } from '../billing/search.ts'
import { root } from '../root-route.tsx'
import { rangeSearch } from '../ui/range.ts'
import { callFilter } from './call-filter.ts'
import { spendSearch } from './spend-search.ts'

const getParentRoute = () => root

export const consumerRoutes = [
  createRoute({
    getParentRoute,
    path: '/overview',
    validateSearch: spendSearch,
    component: lazyRouteComponent(() => import('./overview.tsx'), 'OverviewPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/calls',
    validateSearch: callFilter,
    component: lazyRouteComponent(() => import('./calls.tsx'), 'CallsPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/calls/$callId',
    component: lazyRouteComponent(() => import('./call.tsx'), 'CallPage'),
  }),
  createRoute({ getParentRoute, path: '/keys', component: lazyRouteComponent(() => import('./keys.tsx'), 'KeysPage') }),
  createRoute({
    getParentRoute,
    path: '/keys/$keyId',
    validateSearch: rangeSearch,
    component: lazyRouteComponent(() => import('./key.tsx'), 'KeyPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/billing',
    validateSearch: readBillingSearch,
    component: lazyRouteComponent(() => import('../billing/billing.tsx'), 'BillingPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/alerts',
    validateSearch: readAlertsSearch,
    component: lazyRouteComponent(() => import('../alerts/alerts.tsx'), 'AlertsPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/settings',
    component: lazyRouteComponent(() => import('./settings.tsx'), 'SettingsPage'),
  }),
] as const
