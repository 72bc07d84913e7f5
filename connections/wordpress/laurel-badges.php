<?php
/**
 * Plugin Name: Laurel badges
 * Description: Shows the badges that members earned in Laurel, on their profiles, by the shortcode [laurel_badges] and by a block.
 * Version: 1.0.0
 * Requires at least: 6.0
 * Requires PHP: 7.4
 *
 * Copy this file to wp-content/mu-plugins. It has no settings: Laurel signs in as an administrator, with an application
 * password, and does the rest through the REST routes below.
 *
 * What it stores: the option `laurel_badges` has each badge's name and description; the user meta `laurel_badges` has a
 * member's badges, as a list of `{id, at, reason}`. A list is never empty: without badges there is no meta.
 */

namespace Laurel\Badges;

use WP_Error;
use WP_REST_Request;
use WP_User;

defined( 'ABSPATH' ) || exit;

const VERSION     = '1.0.0';
const META        = 'laurel_badges';
const OPTION      = 'laurel_badges';
const MAX_BADGES  = 500;  // of the community, and so of a member
const MAX_CHANGES = 50;   // in a request
const MAX_NAME    = 200;  // characters
const MAX_TEXT    = 1000; // characters of a description or reason
const PAGE        = 500;  // holders in a response
const ATTEMPTS    = 5;    // to write a list that other requests write, too

add_action( 'init', __NAMESPACE__ . '\register' );
add_action( 'rest_api_init', __NAMESPACE__ . '\register_routes' );
add_action( 'show_user_profile', __NAMESPACE__ . '\show_in_admin' );
add_action( 'edit_user_profile', __NAMESPACE__ . '\show_in_admin' );
add_filter( 'get_the_archive_description', __NAMESPACE__ . '\add_to_author_page' );
add_filter( 'render_block_core/query-title', __NAMESPACE__ . '\add_to_author_title' );

// The badges of members.

/** Register the meta, the shortcode and the block. */
function register() {
	$badge = array(
		'type'                 => 'object',
		'additionalProperties' => false,
		'properties'           => array(
			'id'     => array( 'type' => 'string' ),
			'at'     => array( 'type' => 'string', 'format' => 'date-time' ),
			'reason' => array( 'type' => 'string' ),
		),
	);
	register_meta(
		'user',
		META,
		array(
			'type'              => 'array',
			'description'       => 'Badges that Laurel gave this member.',
			'single'            => true,
			'sanitize_callback' => __NAMESPACE__ . '\sanitize',
			'auth_callback'     => __NAMESPACE__ . '\may_write',
			'show_in_rest'      => array(
				'schema' => array(
					'items'   => $badge,
					'context' => array( 'edit' ),
				),
			),
		)
	);
	add_shortcode( 'laurel_badges', __NAMESPACE__ . '\shortcode' );
	register_block();
}

/** Only those who may edit every user may write badges: members can't give them to themselves. */
function may_write() {
	return current_user_can( 'edit_users' );
}

/** Return what is well-formed of a list of badges; each badge once. */
function sanitize( $value ) {
	$badges = array();
	foreach ( is_array( $value ) ? $value : array() as $badge ) {
		$id = is_array( $badge ) && isset( $badge['id'] ) ? clean_id( $badge['id'] ) : '';
		if ( '' !== $id && count( $badges ) < MAX_BADGES ) {
			$badges[ $id ] = array(
				'id'     => $id,
				'at'     => clean_time( isset( $badge['at'] ) ? $badge['at'] : '' ),
				'reason' => clean_text( isset( $badge['reason'] ) ? $badge['reason'] : '', MAX_TEXT ),
			);
		}
	}
	return array_values( $badges );
}

function clean_id( $id ) {
	return is_string( $id ) && preg_match( '/^[a-z0-9-]{1,64}$/D', $id ) ? $id : '';
}

function clean_text( $text, $length ) {
	return is_string( $text ) ? mb_substr( sanitize_text_field( $text ), 0, $length ) : '';
}

function clean_time( $time ) {
	$seconds = is_string( $time ) ? strtotime( $time ) : false;
	return false === $seconds ? '' : gmdate( 'Y-m-d\TH:i:s\Z', $seconds );
}

/** Return a member's badges. */
function badges_of( $user_id ) {
	return sanitize( get_user_meta( $user_id, META, true ) );
}

/**
 * Give a badge to a member, or take it from them; false if other requests kept changing the list.
 *
 * The list is only replaced if it is still the one that was read.
 */
function set_badge( $user_id, $badge, $held ) {
	for ( $attempt = 0; $attempt < ATTEMPTS; $attempt++ ) {
		if ( $attempt ) {
			wp_cache_delete( $user_id, 'user_meta' );
		}
		$stored = get_user_meta( $user_id, META, true );
		$before = sanitize( $stored );
		$after  = array_values( array_filter( $before, fn( $one ) => $one['id'] !== $badge['id'] ) );
		if ( $held ) {
			$after[] = $badge;
		}
		if ( $after === $before || write_list( $user_id, $stored, $after ) ) {
			return true;
		}
	}
	return false;
}

function write_list( $user_id, $stored, $after ) {
	$after = wp_slash( $after ); // these functions remove slashes
	if ( empty( $stored ) ) {
		return ! $after || add_user_meta( $user_id, META, $after, true );
	}
	return $after
		? update_user_meta( $user_id, META, $after, $stored )
		: delete_user_meta( $user_id, META, wp_slash( $stored ) );
}

/** Return every badge: its ID, to its name and description. */
function catalogue() {
	$badges = get_option( OPTION );
	return is_array( $badges ) ? $badges : array();
}

// What Laurel calls.

function register_routes() {
	$edits = fn() => current_user_can( 'edit_users' );
	$reads = fn() => current_user_can( 'list_users' ) && current_user_can( 'edit_users' );
	$text  = fn( $length ) => array( 'type' => 'string', 'maxLength' => $length );
	route( '/status', 'GET', 'get_status', $reads );
	route( '/badges', 'GET', 'get_badges', $reads );
	route(
		'/badges',
		'POST',
		'create_badge',
		$edits,
		array(
			'name'        => $text( MAX_NAME ) + array( 'required' => true, 'minLength' => 1 ),
			'description' => $text( MAX_TEXT ) + array( 'default' => '' ),
		)
	);
	$change = array(
		'user'   => array( 'type' => 'integer', 'required' => true ),
		'badge'  => $text( 64 ) + array( 'required' => true ),
		'held'   => array( 'type' => 'boolean', 'required' => true ),
		'at'     => $text( 64 ),
		'reason' => array( 'type' => 'string' ),
	);
	route(
		'/changes',
		'POST',
		'make_changes',
		$edits,
		array(
			'changes' => array(
				'type'     => 'array',
				'required' => true,
				'maxItems' => MAX_CHANGES,
				'items'    => array( 'type' => 'object', 'properties' => $change ),
			),
		)
	);
	route(
		'/holders',
		'GET',
		'get_holders',
		$reads,
		array(
			'badge' => $text( 64 ) + array( 'required' => true ),
			'after' => array( 'type' => 'integer', 'default' => 0 ),
		)
	);
}

function route( $path, $method, $callback, $permission, $args = array() ) {
	register_rest_route(
		'laurel/v1',
		$path,
		array(
			'methods'             => $method,
			'callback'            => __NAMESPACE__ . '\\' . $callback,
			'permission_callback' => $permission,
			'args'                => $args,
		)
	);
}

function get_status() {
	return array( 'plugin' => VERSION, 'wordpress' => get_bloginfo( 'version' ) );
}

function get_badges() {
	$badges = array();
	foreach ( catalogue() as $id => $badge ) {
		$badges[] = array( 'id' => (string) $id, 'name' => $badge['name'] );
	}
	return $badges;
}

/** Create a badge, or return the one of this name. */
function create_badge( WP_REST_Request $request ) {
	$name   = clean_text( $request['name'], MAX_NAME );
	$badges = catalogue();
	foreach ( $badges as $id => $badge ) {
		if ( $badge['name'] === $name ) {
			return array( 'id' => (string) $id, 'name' => $name );
		}
	}
	if ( '' === $name || count( $badges ) >= MAX_BADGES ) {
		return new WP_Error( 'laurel_badge_refused', 'This badge has no name, or there are too many.', array( 'status' => 400 ) );
	}
	$id            = 'badge-' . wp_generate_uuid4();
	$badges[ $id ] = array( 'name' => $name, 'description' => clean_text( $request['description'], MAX_TEXT ) );
	update_option( OPTION, $badges, false );
	return array( 'id' => $id, 'name' => $name );
}

/** Make each change, and report each by itself: one that fails doesn't keep the others from being made. */
function make_changes( WP_REST_Request $request ) {
	$badges = catalogue();
	cache_users( array_column( $request['changes'], 'user' ) );
	return array( 'results' => array_map( fn( $change ) => make_change( $change, $badges ), $request['changes'] ) );
}

function make_change( $change, $badges ) {
	$user = get_userdata( $change['user'] );
	if ( ! $user || ! is_user_member_of_blog( $user->ID ) ) {
		return array( 'status' => 'user_gone' );
	}
	if ( ! isset( $badges[ $change['badge'] ] ) ) {
		return array( 'status' => $change['held'] ? 'badge_gone' : 'done' );
	}
	if ( ! current_user_can( 'edit_user', $user->ID ) ) {
		return array( 'status' => 'not_allowed' );
	}
	$badge = sanitize( array( array( 'id' => $change['badge'] ) + $change ) )[0];
	if ( set_badge( $user->ID, $badge, $change['held'] ) ) {
		return array( 'status' => 'done' );
	}
	return array( 'status' => 'refused', 'message' => 'The list of badges could not be written.' );
}

/** Return the IDs of the users who hold a badge, after an ID. */
function get_holders( WP_REST_Request $request ) {
	global $wpdb;
	$badge = clean_id( $request['badge'] );
	if ( '' === $badge || ! isset( catalogue()[ $badge ] ) ) {
		return array( 'users' => array(), 'next' => null );
	}
	$ids = $wpdb->get_col(
		$wpdb->prepare(
			"SELECT m.user_id FROM {$wpdb->usermeta} m JOIN {$wpdb->users} u ON u.ID = m.user_id
			WHERE m.meta_key = %s AND m.meta_value LIKE %s AND m.user_id > %d ORDER BY m.user_id LIMIT %d",
			META,
			'%' . $wpdb->esc_like( '"' . $badge . '"' ) . '%',
			$request['after'],
			PAGE
		)
	);
	$ids = array_map( 'intval', $ids );
	return array( 'users' => $ids, 'next' => count( $ids ) < PAGE ? null : end( $ids ) );
}

// What people see.

/** Return a member's badges as HTML, newest first; "" without any. */
function render( $user_id ) {
	$badges = catalogue();
	$held   = array_filter( badges_of( $user_id ), fn( $one ) => isset( $badges[ $one['id'] ] ) );
	usort( $held, fn( $a, $b ) => strcmp( $b['at'], $a['at'] ) );
	if ( ! $held ) {
		return '';
	}
	wp_enqueue_style( 'laurel-badges' );
	$items = '';
	foreach ( $held as $one ) {
		$badge = $badges[ $one['id'] ];
		$items .= sprintf(
			'<li class="laurel-badge" title="%s"><span class="laurel-badge-icon" aria-hidden="true">★</span> <span class="laurel-badge-name">%s</span>%s</li>',
			esc_attr( $badge['description'] ),
			esc_html( $badge['name'] ),
			render_time( $one['at'] )
		);
	}
	return '<ul class="laurel-badges">' . $items . '</ul>';
}

function render_time( $at ) {
	$seconds = strtotime( $at );
	if ( ! $seconds ) {
		return '';
	}
	$date = wp_date( get_option( 'date_format' ), $seconds );
	return sprintf( ' <time class="laurel-badge-time" datetime="%s">%s</time>', esc_attr( $at ), esc_html( $date ) );
}

function shortcode( $attributes ) {
	$attributes = shortcode_atts( array( 'user' => '' ), $attributes, 'laurel_badges' );
	return render( whose( $attributes['user'] ) );
}

/** Return the ID of the user whose badges to show: the one named, the one whose page it is, or the author. */
function whose( $named ) {
	if ( is_numeric( $named ) && (int) $named > 0 ) {
		return (int) $named;
	}
	if ( is_string( $named ) && '' !== $named ) {
		$user = get_user_by( 'login', $named );
		return $user ? $user->ID : 0;
	}
	$shown = get_queried_object();
	return $shown instanceof WP_User ? $shown->ID : (int) get_the_author_meta( 'ID' );
}

/** The author's page in a classic theme. */
function add_to_author_page( $description ) {
	return is_author() ? $description . render( get_queried_object_id() ) : $description;
}

/** The author's page in a block theme. */
function add_to_author_title( $html ) {
	$badges = is_author() ? render( get_queried_object_id() ) : '';
	return '' === $badges ? $html : $html . '<div class="alignwide">' . $badges . '</div>';
}

/** A user's profile in the admin area; badges are changed in Laurel. */
function show_in_admin( WP_User $user ) {
	$html = render( $user->ID );
	printf(
		'<h2>Badges</h2><table class="form-table" role="presentation"><tr><th scope="row">From Laurel</th><td>%s</td></tr></table>',
		'' === $html ? 'No badges.' : $html // phpcs:ignore WordPress.Security.EscapeOutput -- render() escapes
	);
}

function register_block() {
	wp_register_style( 'laurel-badges', false, array(), VERSION );
	wp_add_inline_style(
		'laurel-badges',
		'.laurel-badges{display:flex;flex-wrap:wrap;gap:.5em;list-style:none;margin:1em 0;padding:0}'
		. '.laurel-badge{border:1px solid currentColor;border-radius:999px;padding:.25em .75em}'
		. '.laurel-badge-icon{color:#a16207}.laurel-badge-time{font-size:.8em}'
	);
	wp_register_script( 'laurel-badges', false, array( 'wp-blocks', 'wp-element', 'wp-server-side-render' ), VERSION, true );
	wp_add_inline_script(
		'laurel-badges',
		'wp.blocks.registerBlockType("laurel/badges",{edit:(props)=>wp.element.createElement('
		. 'wp.serverSideRender,{block:"laurel/badges",attributes:props.attributes})});'
	);
	register_block_type(
		'laurel/badges',
		array(
			'api_version'           => 3,
			'title'                 => 'Laurel badges',
			'description'           => 'The badges of a member: the author, or the one named.',
			'category'              => 'widgets',
			'icon'                  => 'awards',
			'attributes'            => array( 'user' => array( 'type' => 'string', 'default' => '' ) ),
			'editor_script_handles' => array( 'laurel-badges' ),
			'style_handles'         => array( 'laurel-badges' ),
			'render_callback'       => fn( $attributes ) => render( whose( $attributes['user'] ) ),
		)
	);
}
