<?php
/** What tests do in a WordPress by hand. Reads {"command": …, …} from standard input, and prints JSON. */

$asked = json_decode( stream_get_contents( STDIN ), true );
$_SERVER['HTTP_HOST']   = $asked['host'];
$_SERVER['REQUEST_URI'] = '/';
require $argv[1] . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/user.php';

function answer( $asked ) {
	global $wpdb;
	switch ( $asked['command'] ) {
		case 'set_up':
			update_option( 'siteurl', 'http://' . $asked['host'] );
			update_option( 'home', 'http://' . $asked['host'] );
			update_option( 'blogname', 'Forum & friends' );
			$names = array( 'user_login' => 'laurel', 'user_nicename' => 'laurel' );
			$wpdb->update( $wpdb->users, $names, array( 'ID' => 1 ) );
			clean_user_cache( 1 );
			wp_set_password( 'laurel', 1 );
			return WP_Application_Passwords::create_new_application_password( 1, array( 'name' => 'Laurel' ) )[0];
		case 'add_user':
			return wp_insert_user( wp_slash( $asked['user'] ) + array( 'user_pass' => 'x', 'role' => 'subscriber' ) );
		case 'delete_user':
			return wp_delete_user( $asked['id'] );
		case 'take_away':
			return Laurel\Badges\set_badge( $asked['id'], array( 'id' => $asked['badge'] ), false );
		case 'delete_badge':
			return update_option( 'laurel_badges', array_diff_key( get_option( 'laurel_badges' ), array( $asked['badge'] => 1 ) ) );
		case 'application_password':
			return WP_Application_Passwords::create_new_application_password( $asked['id'], array( 'name' => 'x' ) )[0];
		case 'render':
			return do_blocks( do_shortcode( $asked['content'] ) );
		case 'profile':
			ob_start();
			wp_set_current_user( 1 );
			do_action( 'edit_user_profile', get_userdata( $asked['id'] ) );
			return ob_get_clean();
		case 'badges':
			return get_user_meta( $asked['id'], 'laurel_badges', true );
	}
}

echo wp_json_encode( answer( $asked ) );
